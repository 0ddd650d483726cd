"""What a model has had before its first request: the container's CPUs, and a computation or two."""

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mooring_runtime.backends.loading import import_torch
from mooring_runtime.lanes.cpu_limit import cpu_count


class Counts(torch.nn.Module):
    """Answers how often it was called."""

    calls: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.calls + 0 * x


async def test_a_program_with_declared_inputs_has_computed_before_it_is_ready(
    serve_folder: Any, until: Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]], tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "m"
    folder.mkdir(parents=True)
    torch.jit.save(torch.jit.script(Counts()), str(folder / "model.pt"))
    (folder / "mooring.json").write_text(json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1]}]}))
    async with serve_folder() as server:

        async def is_ready() -> bool:
            return bool((await server.http.get("/v2/models/m/ready")).status_code == 200)

        await until(is_ready)
        body = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [0]}]}
        answer = (await server.http.post("/v2/models/m/infer", json=body)).json()
        assert answer["outputs"][0]["data"] == [3.0]  # two came before


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("restored_threads")
@pytest.mark.parametrize(("quota", "threads"), [("300000 100000", 3), ("50000 100000", 1), ("max 100000", 7)])
def test_torch_has_as_many_threads_as_the_cgroup_has_cpus(tmp_path: Path, quota: str, threads: int) -> None:
    for name, text in {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": quota}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    import_torch(cpu_count(tmp_path, affinity=7))
    assert torch.get_num_threads() == threads
