"""What a backend is, and how several of its jobs run as one batch."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from mooring_api.v2 import Datatype
from mooring_runtime.datatypes import Array
from mooring_runtime.errors import InferenceError, ServingError
from mooring_runtime.infer_type import InferOutput, InferRequest, InferResponse
from mooring_runtime.lanes.schedule import PARAMETERS, priority_of
from mooring_runtime.registry.servable import ModelMetadata

LONG_LIST = 8192
"""Elements that are converted in about as long as the way to a thread and back takes."""


@dataclass(frozen=True)
class TypedArray:
    """An array and the datatype it carries, which differ for BF16 alone (float32 in memory)."""

    datatype: Datatype
    array: Array
    name: str = ""
    """The name that the model itself gives an output; empty when it gives none."""


@dataclass(frozen=True)
class Job:
    """A request, prepared to be computed."""

    request: InferRequest
    inputs: tuple[TypedArray, ...]
    batch_key: Hashable | None = field(default=None)
    """Jobs of equal keys may be stacked along their first dimension; None runs alone."""
    rows: int = 1

    @property
    def priority(self) -> int:
        """As the request says."""
        return priority_of(self.request.parameters)


class Backend(Protocol):
    """A loaded model. All methods block, and none is called on the event loop unless said so."""

    metadata: ModelMetadata
    max_batch_rows: int
    """1 unless rows are known to be independent of each other."""
    concurrency: int
    """Batches that are best computed at once, unless `mooring.json` says otherwise."""

    def is_heavy(self, request: InferRequest) -> bool:
        """Whether `prepare` is worth a thread; when not, it is called on the event loop. Asked on the event loop."""

    def prepare(self, request: InferRequest) -> Job:
        """Check and decode a request; may run in many threads at once."""

    def use_cpus(self, count: int) -> None:
        """Let `forward`, called by this thread, use so many from now on."""

    def forward(self, inputs: Sequence[TypedArray]) -> tuple[TypedArray, ...]:
        """Compute; called by as many threads at a time as concurrency says."""

    def finish(self, job: Job, outputs: tuple[TypedArray, ...]) -> list[InferOutput]:
        """Name the outputs of one job; cheap."""

    def from_v1(self, body: Any) -> InferRequest:
        """Read a v1 body."""

    def to_v1(self, response: InferResponse) -> Any:
        """Write a v1 body."""

    def warm_up(self) -> None:
        """Compute something once, so that the first request finds everything in place."""


def holds_long_lists(request: InferRequest) -> bool:
    """Whether an input came as a list (of JSON) that takes a while to become an array."""
    return any(
        not (tensor.is_raw or tensor.is_array) and math.prod(tensor.shape) > LONG_LIST for tensor in request.inputs
    )


def extent(value: Any) -> int:
    """About how many numbers nested lists hold, judged by the first of each; 1 for what is no list."""
    count = 1
    while isinstance(value, list | dict) and value:
        if isinstance(value, list):
            count *= len(value)
        value = value[0] if isinstance(value, list) else next(iter(value.values()))
    return count


def batch_key(request: InferRequest, inputs: Sequence[TypedArray]) -> tuple[Hashable | None, int]:
    """The key and the rows of a job: same inputs in type and shape past the first dimension, same parameters.

    The key is None when the inputs have no common first dimension.
    """
    rows = {tensor.array.shape[0] if tensor.array.ndim else None for tensor in inputs}
    if len(rows) != 1 or None in rows:
        return None, 1
    shapes = tuple((tensor.datatype, tensor.array.shape[1:]) for tensor in inputs)
    parameters = tuple(
        sorted((name, repr(value)) for name, value in request.parameters.items() if name not in PARAMETERS)
    )
    return (shapes, parameters), max(1, *(row for row in rows if row is not None))


def run_batch(backend: Backend, jobs: Sequence[Job]) -> list[list[InferOutput] | Exception]:
    """Compute `jobs` of one batch key, together unless it is None, and give each its slice of the outputs as views.

    A batch that fails, or whose outputs do not have its rows, is computed job by job: one bad request never fails its
    neighbours.
    """
    if len(jobs) > 1 and jobs[0].batch_key is not None:
        outputs = _stacked(backend, jobs)
        if outputs is not None:
            return [_finished(backend, job, part) for job, part in zip(jobs, _split(jobs, outputs), strict=True)]
    return [_alone(backend, job) for job in jobs]


def _stacked(backend: Backend, jobs: Sequence[Job]) -> tuple[TypedArray, ...] | None:
    columns = zip(*(job.inputs for job in jobs), strict=True)
    inputs = [TypedArray(column[0].datatype, np.concatenate([t.array for t in column])) for column in columns]
    try:
        outputs = backend.forward(inputs)
    except Exception:  # the jobs run again one by one, which tells whose fault it is
        return None
    rows = sum(job.inputs[0].array.shape[0] for job in jobs)
    fits = all(output.array.ndim and output.array.shape[0] == rows for output in outputs)
    return outputs if fits else None


def _split(jobs: Sequence[Job], outputs: tuple[TypedArray, ...]) -> list[tuple[TypedArray, ...]]:
    parts, start = [], 0
    for job in jobs:
        stop = start + job.inputs[0].array.shape[0]
        parts.append(tuple(TypedArray(output.datatype, output.array[start:stop], output.name) for output in outputs))
        start = stop
    return parts


def _alone(backend: Backend, job: Job) -> list[InferOutput] | Exception:
    try:
        outputs = backend.forward(job.inputs)
    except ServingError as exc:
        return exc
    except Exception as exc:  # the edge of the model's code
        return InferenceError(f"{type(exc).__name__} : {_last_line(exc)}")
    return _finished(backend, job, outputs)


def _finished(backend: Backend, job: Job, outputs: tuple[TypedArray, ...]) -> list[InferOutput] | Exception:
    try:
        return backend.finish(job, outputs)
    except ServingError as exc:
        return exc


def _last_line(exc: Exception) -> str:
    """TorchScript puts its own traceback into the text; what went wrong is its last line."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[-1].removeprefix(f"{type(exc).__name__}: ") if lines else "no message"
