import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mooring_runtime.backends import torch_export
from mooring_runtime.backends.model_settings import ModelSettings
from mooring_runtime.errors import ModelLoadFailed

CPU = torch.device("cpu")


class Reshape(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > 2:
            return x.reshape(x.shape[0] // 2, -1).sum(1) + x.shape[0] * 2
        return x.sum(1)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The members of an archive with arithmetic on sizes."""
    rows = torch.export.Dim("rows", min=4, max=64)
    program = torch.export.export(Reshape(), (torch.ones(8, 4),), dynamic_shapes=({0: 2 * rows},))
    path = tmp_path_factory.mktemp("pt2") / "model.pt2"
    torch.export.save(program, path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "model.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def with_graph(members: dict[str, bytes], edit: Callable[[dict[str, Any]], None]) -> dict[str, bytes]:
    (name,) = (name for name in members if name.endswith("models/model.json"))
    document = json.loads(members[name])
    edit(document)
    return {**members, name: json.dumps(document).encode()}


def test_an_ordinary_archive_is_let_through(tmp_path: Path, archive: dict[str, bytes]) -> None:
    backend = torch_export.load(write(tmp_path, archive), ModelSettings(), CPU)
    assert backend.metadata.inputs[0].shape == (-1, 4)


class Evil:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.witness,))


def test_sample_inputs_that_would_run_code_are_refused(tmp_path: Path, archive: dict[str, bytes]) -> None:
    witness, file = tmp_path / "witness", io.BytesIO()
    torch.save(Evil(witness), file)
    (name,) = (name for name in archive if "sample_inputs" in name)
    with pytest.raises(ModelLoadFailed, match="holds pickled objects other than tensors"):
        torch_export.load(write(tmp_path, {**archive, name: file.getvalue()}), ModelSettings(), CPU)
    assert not witness.exists()


def test_pickled_weights_are_refused(tmp_path: Path, archive: dict[str, bytes]) -> None:
    witness = tmp_path / "witness"
    (name,) = (name for name in archive if name.endswith("model_weights_config.json"))
    config = {"config": {"w": {"path_name": "weight_0", "is_param": False, "use_pickle": True, "tensor_meta": None}}}
    weight = f"{name.rpartition('/')[0]}/weight_0"
    members = {**archive, name: json.dumps(config).encode(), weight: pickle.dumps(Evil(witness))}
    with pytest.raises(ModelLoadFailed, match="wants weights to be unpickled"):
        torch_export.load(write(tmp_path, members), ModelSettings(), CPU)
    assert not witness.exists()


@pytest.mark.parametrize(
    "target",
    ["torch.os.system", "torch.load", "_operator.attrgetter", "_operator.call", "torch.ops.load_library", "#evil:f"],
)
def test_functions_that_are_no_operators_are_refused(tmp_path: Path, archive: dict[str, bytes], target: str) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["graph_module"]["graph"]["nodes"][0]["target"] = target

    with pytest.raises(ModelLoadFailed, match="which is no operator"):
        torch_export.load(write(tmp_path, with_graph(archive, edit)), ModelSettings(), CPU)


@pytest.mark.parametrize(
    "size", ["__import__('os').system('true')", "lambdify(s1, s2)", "s1.__class__", "Symbol('a b')", 7], ids=str
)
def test_sizes_that_are_no_arithmetic_are_refused(tmp_path: Path, archive: dict[str, bytes], size: Any) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["graph_module"]["graph"]["sym_int_values"] = {"evil": {"as_expr": {"expr_str": size, "hint": None}}}

    with pytest.raises(ModelLoadFailed, match="not arithmetic"):
        torch_export.load(write(tmp_path, with_graph(archive, edit)), ModelSettings(), CPU)


def test_guards_are_not_executed(tmp_path: Path, archive: dict[str, bytes]) -> None:
    witness = tmp_path / "witness"

    def edit(document: dict[str, Any]) -> None:
        document["guards_code"] = [f"open({str(witness)!r}, 'w') is not None"]

    backend = torch_export.load(write(tmp_path, with_graph(archive, edit)), ModelSettings(), CPU)
    backend.warm_up()
    assert not witness.exists()
