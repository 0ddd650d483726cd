"""A backend behind its lane: the servable that folders become."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from mooring_runtime.backends.base import LONG_LIST, Backend, Job, extent, run_batch
from mooring_runtime.errors import NotSupported
from mooring_runtime.infer_type import InferOutput, InferRequest, InferResponse
from mooring_runtime.lanes.lane import Lane, LaneLimits
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.metrics import Metrics
from mooring_runtime.registry.servable import Headers, ModelMetadata
from mooring_runtime.telemetry.statistics import work_of


class BackendServable:
    """Prepares in a codec thread, computes in the lane, never on the loop."""

    def __init__(
        self,
        name: str,
        backend: Backend,
        limits: LaneLimits,
        threads: Threads,
        metrics: Metrics,
        version: str | None = None,
    ) -> None:
        self._name = name
        self._backend = backend
        self._threads = threads
        cores = threads.cores

        def run(jobs: Sequence[Job]) -> Sequence[list[InferOutput] | Exception]:
            backend.use_cpus(cores.share)
            return run_batch(backend, jobs)

        self._lane: Lane[Job, list[InferOutput]] = Lane(
            name, run, threads.lanes, limits, metrics.lane_observer(name, work_of(name, version)), cores.taken
        )

    async def is_ready(self) -> bool:
        """Always: it was loaded and warmed up before it came here."""
        return True

    async def metadata(self) -> ModelMetadata:
        """As the files declare."""
        return self._backend.metadata

    async def infer(self, request: InferRequest, headers: Headers) -> tuple[InferResponse, Headers]:
        """Answer a v2 request; an id is made up where the client gave none."""
        prepare = self._backend.prepare
        if self._backend.is_heavy(request):
            loop = asyncio.get_running_loop()
            outputs = await self._lane.submit_made(lambda: loop.run_in_executor(self._threads.codec, prepare, request))
        else:
            outputs = await self._lane.submit(prepare(request))
        return InferResponse(request.id or str(uuid4()), self._name, outputs), {}

    async def predict(self, body: Any, headers: Headers) -> tuple[Any, Headers]:
        """Answer a v1 request by way of v2."""
        instances = body.get("instances") if isinstance(body, dict) else None
        loop, read = asyncio.get_running_loop(), self._backend.from_v1
        is_long = extent(instances) > LONG_LIST
        request = await loop.run_in_executor(self._threads.codec, read, body) if is_long else read(body)
        response, response_headers = await self.infer(request, headers)
        return self._backend.to_v1(response), response_headers

    async def explain(self, body: Any, headers: Headers) -> tuple[Any, Headers]:
        """Not a thing that files can do."""
        raise NotSupported(f"Model with name {self._name} has no explainer: deploy one of your own with the SDK.")

    async def close(self) -> None:
        """Drop the model; memory goes with the last reference."""
        del self._backend, self._lane
