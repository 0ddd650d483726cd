import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from mooring_runtime import InferInput, InferOutput, InferRequest, InferResponse
from mooring_runtime.backends.base import Job, TypedArray, extent, holds_long_lists
from mooring_runtime.backends.servable import BackendServable
from mooring_runtime.lanes.lane import LaneLimits
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.metrics import Metrics
from mooring_runtime.registry.servable import ModelMetadata


class Sums:
    """A backend that sums its input, and notes which thread does what."""

    metadata = ModelMetadata()
    max_batch_rows = 1
    concurrency = 1

    def __init__(self) -> None:
        self.done_by: dict[str, str] = {}

    def _note(self, what: str) -> None:
        self.done_by[what] = threading.current_thread().name.partition("_")[0]

    def is_heavy(self, request: InferRequest) -> bool:
        return holds_long_lists(request)

    def prepare(self, request: InferRequest) -> Job:
        self._note("prepare")
        return Job(request, tuple(TypedArray(each.datatype, each.as_numpy()) for each in request.inputs))

    def use_cpus(self, count: int) -> None:
        self._note("use_cpus")

    def forward(self, inputs: Sequence[TypedArray]) -> tuple[TypedArray, ...]:
        self._note("forward")
        return (TypedArray(inputs[0].datatype, inputs[0].array.sum(keepdims=True)),)

    def finish(self, job: Job, outputs: tuple[TypedArray, ...]) -> list[InferOutput]:
        return [InferOutput.from_numpy("sum", output.array) for output in outputs]

    def from_v1(self, body: Any) -> InferRequest:
        self._note("from_v1")
        array = np.asarray(body["instances"], dtype=np.float32)
        return InferRequest("", [InferInput("x", array.shape, "FP32", array)])

    def to_v1(self, response: InferResponse) -> Any:
        return response.outputs[0].as_numpy().ravel().tolist()

    def warm_up(self) -> None:
        pass


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads.for_cpus(2)
    yield made
    made.shut_down()


def servable(backend: Sums, threads: Threads) -> BackendServable:
    return BackendServable("m", backend, LaneLimits(), threads, Metrics(CollectorRegistry()))


@pytest.mark.parametrize(("count", "thread"), [(3, "MainThread"), (20_000, "codec")], ids=["short", "long"])
async def test_long_lists_are_read_off_the_event_loop(threads: Threads, count: int, thread: str) -> None:
    v1, v2 = Sums(), Sums()
    assert await servable(v1, threads).predict({"instances": [[1.0] * count]}, {}) == ([count], {})
    request = InferRequest("m", [InferInput("x", [count], "FP32", [1.0] * count)])
    response, _ = await servable(v2, threads).infer(request, {})
    assert response.outputs[0].data == [count]
    assert v1.done_by == {"from_v1": thread, "prepare": "MainThread", "use_cpus": "lane", "forward": "lane"}
    assert v2.done_by == {"prepare": thread, "use_cpus": "lane", "forward": "lane"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, 1),
        ("text", 1),
        ([], 1),
        ([[1, 2, 3], [4, 5, 6]], 6),
        ([{"data": [[1.0, 2.0]] * 4}], 8),
        ([{"image": {"b64": "AAAA"}}], 1),
    ],
    ids=["nothing", "text", "empty", "nested", "named", "image"],
)
def test_the_extent_of_lists_is_judged_by_the_first_of_each(value: Any, expected: int) -> None:
    assert extent(value) == expected
