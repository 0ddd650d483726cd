"""Requests that run through a model's `predict` together, by `max_batch_size` and `max_batch_time` (spec: section 4.4).

Only requests that differ in nothing but their rows, ids and headers are joined: MLServer joins any, and lets the last
one's parameters hold for all.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import accumulate
from typing import Any
from uuid import uuid4

import numpy as np
import orjson

from mooring_runtime.errors import InferenceError, InvalidInput
from mooring_runtime.infer_type import InferInput, InferOutput, InferRequest, InferResponse
from mooring_runtime.lanes.lane import Lane, LaneLimits
from mooring_runtime.lanes.schedule import PARAMETERS, priority_of
from mooring_runtime.registry.servable import Headers


@dataclass(frozen=True)
class Job:
    """A request in the model's lane."""

    request: InferRequest
    headers: Headers
    batch_key: Hashable | None = None
    """What must be equal for requests to run together; None where there are no rows to join."""
    priority: int = 0
    rows: int = 1
    """`max_batch_size` counts requests, as MLServer's."""

    @classmethod
    def of(cls, request: InferRequest, headers: Headers) -> "Job":
        """The job that a request is."""
        return cls(request, headers, _key(request), priority_of(request.parameters))


def _key(request: InferRequest) -> Hashable | None:
    if _rows(request) is None:
        return None
    parameters = {name: value for name, value in request.parameters.items() if name not in PARAMETERS}
    inputs = [[one.name, one.datatype, one.shape[1:], one.parameters] for one in request.inputs]
    outputs = [[wish.name, wish.parameters] for wish in request.request_outputs or ()]
    return orjson.dumps([parameters, inputs, outputs], default=repr, option=orjson.OPT_SORT_KEYS)


def _rows(request: InferRequest) -> int | None:
    """How many rows all inputs of a request have; None where they have none, or not equally many."""
    sizes = {tensor.shape[0] if tensor.shape else None for tensor in request.inputs}
    return sizes.pop() if len(sizes) == 1 else None


def merged(jobs: Sequence[Job]) -> Job:
    """One request with the rows of all, in their order, and the headers that they agree on.

    Args:
        jobs: Of one `batch_key`.

    Raises:
        InvalidInput: data does not fit its tensor.
    """
    first = jobs[0].request
    inputs = []
    for column in zip(*(job.request.inputs for job in jobs), strict=True):
        array = np.concatenate([tensor.as_numpy() for tensor in column])
        inputs.append(InferInput(column[0].name, array.shape, column[0].datatype, array, column[0].parameters))
    request = InferRequest(first.model_name, inputs, parameters=first.parameters, request_outputs=first.request_outputs)
    common = set.intersection(*(set(job.headers.items()) for job in jobs))
    return Job(request, dict(common))


def split(response: InferResponse, jobs: Sequence[Job]) -> list[InferResponse]:
    """The answer to each of the requests that were merged: its rows, under its id, with everything else of the whole.

    Raises:
        InferenceError: an output does not have as many rows as the requests.
    """
    *starts, total = accumulate(job.request.inputs[0].shape[0] for job in jobs)
    columns = [_parts(output, starts, total, response.model_name) for output in response.outputs]
    return [
        InferResponse(
            job.request.id or str(uuid4()),
            response.model_name,
            [column[i] for column in columns],
            response.model_version,
            parameters=response.parameters,
        )
        for i, job in enumerate(jobs)
    ]


def _parts(output: InferOutput, starts: list[int], total: int, model: str) -> list[InferOutput]:
    if not output.shape or output.shape[0] != total:
        raise InferenceError(
            f"Model with name {model} answered output '{output.name}' of shape {list(output.shape)} to {total} rows of "
            "several requests: whose are they? Answer one for each, or set max_batch_size to 0."
        )
    parts: list[Any] = np.split(output.as_numpy(), starts)
    return [InferOutput(output.name, part.shape, output.datatype, part, output.parameters) for part in parts]


Answer = tuple[InferResponse, Headers]
Infer = Callable[[InferRequest, Headers], Coroutine[Any, Any, Answer]]


class Batcher:
    """A model's lane, each of whose batches is one request to the model. Made on the server's loop.

    Args:
        name: The model's name.
        infer: Asks the model.
        executor: Where requests are merged and answers split; shared by all lanes.
        limits: How many requests to take, and to merge.
        observe: As a lane's; what it calls rows are requests here.
    """

    def __init__(
        self,
        name: str,
        infer: Infer,
        executor: Executor,
        limits: LaneLimits,
        observe: Callable[[int, float], None],
    ) -> None:
        self._infer = infer
        self._loop = asyncio.get_running_loop()
        self._lane: Lane[Job, Answer] = Lane(name, self._run, executor, limits, observe)

    async def infer(self, request: InferRequest, headers: Headers) -> Answer:
        """Answer a request, together with others that wait or come in time."""
        return await self._lane.submit(Job.of(request, headers))

    def _run(self, jobs: Sequence[Job]) -> Sequence[Answer | Exception]:
        """In a thread: the answer to each; where a client is at fault, each is asked alone, to find out which."""
        if len(jobs) > 1:
            try:
                whole = merged(jobs)
                response, headers = self._asked(whole)
                return [(part, dict(headers)) for part in split(response, jobs)]
            except InvalidInput:
                pass
        return [self._outcome(job) for job in jobs]

    def _outcome(self, job: Job) -> Answer | Exception:
        try:
            return self._asked(job)
        except Exception as exc:  # the edge of user code
            return exc

    def _asked(self, job: Job) -> Answer:
        return asyncio.run_coroutine_threadsafe(self._infer(job.request, job.headers), self._loop).result()
