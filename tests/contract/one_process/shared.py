"""A server of ours in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mooring_runtime import InferOutput, InferRequest, InferResponse, Model
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.metrics import Metrics
from mooring_runtime.sdk.source import RegisteredModels
from mooring_runtime.server import Models, running
from mooring_runtime.settings import Settings
from mooring_runtime.transports import Address


class Double(Model):
    """Answers twice its input."""

    def load(self) -> bool:
        """There is nothing to load."""
        self.ready = True
        return self.ready

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        """Twice the input, as output y."""
        assert isinstance(payload, InferRequest)
        return InferResponse(payload.id, self.name, [InferOutput.from_numpy("y", payload.inputs[0].as_numpy() * 2)])


@asynccontextmanager
async def ready_server(model: Model, **changes: Any) -> AsyncIterator[Address]:
    """Serve a model on free ports, and wait until it is ready."""

    def models(threads: Threads, metrics: Metrics) -> Models:
        return Models(RegisteredModels([model], 16, metrics), [model.name], must_load=True)

    settings = Settings(host="127.0.0.1", http_port=0, grpc_port=0, lame_duck_s=0, **changes)
    async with running(settings, models) as server, asyncio.timeout(30):
        while not await server.dataplane.is_ready():  # noqa: ASYNC110 - the server offers no event, and tests do not patch it
            await asyncio.sleep(0.01)
        yield server.address
