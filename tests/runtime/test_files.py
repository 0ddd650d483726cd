import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest

from mooring_runtime.backends.files import BackendName, find_model, holds_model
from mooring_runtime.backends.model_settings import ModelSettings, read_settings
from mooring_runtime.errors import ModelLoadFailed


def zipped(*members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member in members:
            archive.writestr(f"top/{member}", b"")
    return file.getvalue()


SAFETENSORS = (2).to_bytes(8, "little") + b"{}"


@pytest.mark.parametrize(
    ("name", "content", "backend"),
    [
        ("model.pt", zipped("data.pkl", "constants.pkl", "code/x.py"), BackendName.TORCHSCRIPT),
        ("model.pt", zipped("data.pkl", "version"), BackendName.ALEXNET),
        ("weights.pth", pickle.dumps({}, protocol=2), BackendName.ALEXNET),
        ("model.safetensors", SAFETENSORS, BackendName.ALEXNET),
        ("model.pt2", zipped("archive_format", "models/model.json"), BackendName.TORCH_EXPORT),
        ("model.pt", zipped("archive_format", "data.pkl"), BackendName.TORCH_EXPORT),
    ],
    ids=["torchscript", "state dict", "state dict before 1.6", "safetensors", "export", "export named .pt"],
)
def test_content_tells_the_backend(tmp_path: Path, name: str, content: bytes, backend: BackendName) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "README.md").write_text("let be")
    found = find_model(tmp_path, ModelSettings())
    assert (found.path.name, found.backend) == (name, backend)


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({}, "only: nothing"),
        ({"model.onnx": b""}, r"only: model\.onnx.*TorchScript"),
        ({"model.pt": b"junk"}, r"model\.pt is corrupt.*4 bytes"),
        ({"model.pt": b""}, r"model\.pt is corrupt"),
        ({"model.safetensors": b"junkjunkjunk"}, r"model\.safetensors is corrupt"),
        ({"a.pt": b"", "b.pt": b""}, r"several model files: a\.pt, b\.pt.*model_file"),
    ],
    ids=["empty", "unknown format", "junk", "empty file", "junk safetensors", "several"],
)
def test_a_folder_without_one_readable_model_says_what_to_do(
    tmp_path: Path, files: dict[str, bytes], text: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelLoadFailed, match=text):
        find_model(tmp_path, ModelSettings())


def test_model_goes_before_other_names_and_settings_before_both(tmp_path: Path) -> None:
    for name in ("a.safetensors", "model.safetensors"):
        (tmp_path / name).write_bytes(SAFETENSORS)
    assert find_model(tmp_path, ModelSettings()).path.name == "model.safetensors"
    assert find_model(tmp_path, ModelSettings(model_file="a.safetensors")).path.name == "a.safetensors"
    chosen = find_model(tmp_path, ModelSettings(backend="torchscript"))
    assert chosen.backend is BackendName.TORCHSCRIPT


@pytest.mark.parametrize("name", ["absent.pt", "../outside.pt"])
def test_settings_cannot_name_a_file_that_is_not_the_model_s(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.pt").write_bytes(b"")
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(ModelLoadFailed, match="not there"):
        find_model(folder, ModelSettings(model_file=name))


def test_a_folder_of_folders_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.pt").mkdir()
    assert not holds_model(tmp_path)
    (tmp_path / "weights.pth").write_bytes(b"")
    assert holds_model(tmp_path)


def written(folder: Path, document: object) -> Path:
    (folder / "mooring.json").write_text(json.dumps(document))
    return folder


def test_settings_are_read_and_all_of_them_optional(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == ModelSettings()
    document = {"top_k": 3, "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]}
    settings = read_settings(written(tmp_path, document))
    assert settings.top_k == 3
    assert settings.inputs[0].metadata().shape == (-1, 2)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"topk": 3}, "topk: Extra"),
        ({"top_k": 0}, "top_k: "),
        ({"inputs": [{"name": "x", "datatype": "FLOAT", "shape": []}]}, r"inputs\.0\.datatype"),
        ([], "file: "),
        ({"backend": "onnx"}, "backend onnx"),
    ],
    ids=str,
)
def test_faulty_settings_name_the_field(tmp_path: Path, document: object, text: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(SAFETENSORS)
    with pytest.raises(ModelLoadFailed, match=text):
        find_model(tmp_path, read_settings(written(tmp_path, document)))
