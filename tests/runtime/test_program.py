from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mooring_runtime import InferInput, InferOutput, InferRequest, RequestedOutput
from mooring_runtime.backends import torch_export, torchscript
from mooring_runtime.backends.base import run_batch
from mooring_runtime.backends.loading import load_backend
from mooring_runtime.backends.model_settings import ModelSettings
from mooring_runtime.backends.program import ProgramBackend
from mooring_runtime.backends.torch_setup import choose_device
from mooring_runtime.errors import InferenceError, InvalidInput, ModelLoadFailed, StartupError

CPU = torch.device("cpu")


def script(scripts: dict[str, Path], name: str, **settings: Any) -> ProgramBackend:
    return torchscript.load(scripts[name], ModelSettings.model_validate(settings), CPU)


def run(backend: ProgramBackend, *requests: InferRequest) -> list[list[InferOutput]]:
    answers = []
    for outputs in run_batch(backend, [backend.prepare(request) for request in requests]):
        if isinstance(outputs, Exception):
            raise outputs
        answers.append(outputs)
    return answers


def request(*tensors: InferInput, **kwargs: Any) -> InferRequest:
    return InferRequest("m", list(tensors), **kwargs)


def fp32(name: str, *values: float) -> InferInput:
    return InferInput(name, [len(values)], "FP32", list(values))


def test_torchscript_answers(scripts: dict[str, Path]) -> None:
    ((output,),) = run(script(scripts, "double"), request(fp32("input-0", 1.0, 2.5)))
    assert (output.name, output.shape, output.datatype, output.data) == ("output-0", (2,), "FP32", [2.0, 5.0])


def test_inputs_go_by_name_where_the_names_are_the_arguments_and_else_by_order(scripts: dict[str, Path]) -> None:
    settings = {"inputs": [{"name": name, "datatype": "FP32", "shape": [1]} for name in ("left", "right")]}
    order: list[tuple[ProgramBackend, list[str]]] = [
        (script(scripts, "add"), ["b", "a"]),
        (script(scripts, "add"), ["p", "q"]),
        (script(scripts, "add", **settings), ["right", "left"]),
    ]
    prepared = [
        [tensor.array[0] for tensor in backend.prepare(request(fp32(names[0], 1), fp32(names[1], 2))).inputs]
        for backend, names in order
    ]
    assert prepared == [[2, 1], [1, 2], [2, 1]]


def test_several_outputs_are_numbered_or_named_and_chosen(scripts: dict[str, Path]) -> None:
    ((floats, whole),) = run(script(scripts, "pair"), request(fp32("x", 1.5)))
    assert [(o.name, o.datatype, o.data) for o in (floats, whole)] == [
        ("output-0", "FP32", [2.5]),
        ("output-1", "INT64", [1]),
    ]
    outputs = [{"name": name, "datatype": "FP32", "shape": [-1]} for name in ("sum", "whole")]
    named = script(scripts, "pair", outputs=outputs)
    ((only,),) = run(named, request(fp32("x", 1.5), request_outputs=[RequestedOutput("whole")]))
    assert only.name == "whole"
    with pytest.raises(InvalidInput, match="Unexpected inference output 'zzz' for model 'm'"):
        run(named, request(fp32("x", 1.5), request_outputs=[RequestedOutput("zzz")]))


def test_bf16_goes_out_as_bf16(scripts: dict[str, Path]) -> None:
    ((output,),) = run(script(scripts, "bf16"), request(InferInput("x", [1], "BF16", raw=b"\x80\x3f")))
    assert output.datatype == "BF16"
    assert bytes(output.as_raw()) == b"\x00\x40"


def test_a_wrong_number_of_inputs_is_refused(scripts: dict[str, Path]) -> None:
    with pytest.raises(InvalidInput, match=r"takes 1 input \(x\), the request has 2"):
        script(scripts, "double").prepare(request(fp32("a", 1), fp32("b", 1)))


def test_declared_inputs_are_checked(scripts: dict[str, Path]) -> None:
    backend = script(scripts, "matmul", inputs=[{"name": "x", "datatype": "FP32", "shape": [-1, 2]}])
    backend.warm_up()
    with pytest.raises(InvalidInput, match=r"input 'x': shape must be \[-1, 2\], got \[2\]"):
        backend.prepare(request(fp32("x", 1, 2)))
    with pytest.raises(InvalidInput, match="input 'x': datatype must be FP32, got INT64"):
        backend.prepare(request(InferInput("x", [1, 2], "INT64", [1, 2])))


def test_what_the_program_raises_is_told_by_its_last_line(scripts: dict[str, Path]) -> None:
    with pytest.raises(InferenceError, match=r"^RuntimeError : mat1 and mat2 shapes cannot"):
        run(script(scripts, "matmul"), request(fp32("x", 1, 2, 3)))
    with pytest.raises(InvalidInput, match="BYTES"):
        run(script(scripts, "double"), request(InferInput("x", [1], "BYTES", ["a"])))


def test_programs_run_alone_unless_told_that_rows_do_not_depend_on_each_other(scripts: dict[str, Path]) -> None:
    careful = script(scripts, "share")
    assert careful.prepare(request(fp32("x", 1))).batch_key is None
    assert [outputs[0].data for outputs in run(careful, *[request(fp32("x", 1.0))] * 2)] == [[1.0], [1.0]]


def test_a_batch_with_one_bad_request_answers_the_others(scripts: dict[str, Path]) -> None:
    backend = script(scripts, "matmul", max_batch_rows=8)
    good = [request(InferInput("x", [n, 2], "FP32", [[1.0, 2.0]] * n)) for n in (1, 3)]
    jobs = [backend.prepare(item) for item in good]
    assert jobs[0].batch_key == jobs[1].batch_key
    first, second = run_batch(backend, jobs)
    assert not isinstance(first, Exception)
    assert not isinstance(second, Exception)
    assert (first[0].shape, second[0].shape) == ((1, 2), (3, 2))
    bad = backend.prepare(request(InferInput("x", [1, 3], "FP32", [1.0, 2.0, 3.0])))
    assert [type(result) for result in run_batch(backend, [bad, bad])] == [InferenceError, InferenceError]


def test_v1_instances_become_rows(scripts: dict[str, Path]) -> None:
    backend = script(scripts, "double")
    (outputs,) = run(backend, backend.from_v1({"instances": [[1, 2], [3, 4]]}))
    from mooring_runtime import InferResponse

    assert backend.to_v1(InferResponse("1", "m", outputs)) == {"predictions": [[2.0, 4.0], [6.0, 8.0]]}
    bodies: list[Any] = [{}, {"instances": 1}, {"instances": [[1], [1, 2]]}, []]
    for body in bodies:
        with pytest.raises(InvalidInput, match="instances"):
            backend.from_v1(body)


class Affine(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.full((2, 3), 2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight + 1


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torch.export archive with a free first size."""
    path = tmp_path_factory.mktemp("export") / "model.pt2"
    sizes = ({0: torch.export.Dim("rows")},)
    torch.export.save(torch.export.export(Affine(), (torch.ones(4, 2),), dynamic_shapes=sizes), path)
    return path


def test_torch_export_declares_and_answers(exported: Path) -> None:
    backend, _ = load_backend(exported.parent, "cpu", 1)
    (declared,) = backend.metadata.inputs
    assert (declared.name, declared.datatype, declared.shape) == ("x", "FP32", (-1, 2))
    assert isinstance(backend, ProgramBackend)
    ((output,),) = run(backend, request(InferInput("any", [1, 2], "FP32", [1.0, 1.0])))
    assert output.data == [5.0, 5.0, 5.0]
    with pytest.raises(InvalidInput, match=r"\[-1, 2\], got \[2\]"):
        backend.prepare(request(fp32("x", 1, 2)))


@pytest.mark.parametrize("kept", [0, 100, 2000], ids=["empty", "head", "half"])
def test_truncated_archives_are_refused_with_advice(
    tmp_path: Path, scripts: dict[str, Path], exported: Path, kept: int
) -> None:
    (tmp_path / "model.pt").write_bytes(scripts["double"].read_bytes()[:kept])
    with pytest.raises(ModelLoadFailed, match=r"model\.pt is not a TorchScript archive.*upload it whole"):
        torchscript.load(tmp_path / "model.pt", ModelSettings(), CPU)
    (tmp_path / "model.pt2").write_bytes(exported.read_bytes()[:kept])
    with pytest.raises(ModelLoadFailed, match=r"model\.pt2 is corrupt.*Upload it again"):
        torch_export.load(tmp_path / "model.pt2", ModelSettings(), CPU)


def test_devices_are_chosen_and_absent_ones_named() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(StartupError, match="--device tpu9!"):
        choose_device("tpu9!")
    if not torch.cuda.is_available():
        with pytest.raises(StartupError, match=r"--device cuda: .*Use --device cpu"):
            choose_device("cuda")
    with pytest.raises(StartupError, match="--device cuda:77"):
        choose_device("cuda:77")


def test_arrays_of_requests_are_not_copied(scripts: dict[str, Path]) -> None:
    raw = np.ones(4, "<f4").tobytes()
    job = script(scripts, "double").prepare(request(InferInput("x", [4], "FP32", raw=raw)))
    assert np.shares_memory(job.inputs[0].array, np.frombuffer(raw, np.uint8))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_programs_answer_on_a_gpu(scripts: dict[str, Path], exported: Path) -> None:
    gpu = torch.device("cuda")
    script_backend = torchscript.load(scripts["double"], ModelSettings(), gpu)
    ((doubled,),) = run(script_backend, request(fp32("x", 1.0, 2.5)))
    assert doubled.data == [2.0, 5.0]
    export_backend = torch_export.load(exported, ModelSettings(), gpu)
    ((affine,),) = run(export_backend, request(InferInput("x", [1, 2], "FP32", [1.0, 1.0])))
    assert affine.data == [5.0, 5.0, 5.0]
