"""grpc.health.v1, told by the data plane at the moment of asking; a service is the server, our service, or a model."""

import asyncio
from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.errors import ModelNotFound, ServingError
from mooring_runtime.grpc_api.messages import SERVICE

WATCH_S = 0.5
"""How often a watched status is looked at: readiness of user code can only be asked for."""

_Answer = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # grpc_health ships no types
    """The empty name and our service's stand for the server; any other is a model's."""

    def __init__(self, dataplane: DataPlane, watch_s: float = WATCH_S) -> None:
        self._dataplane = dataplane
        self._watch_s = watch_s

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC's name
        """The status now; NOT_FOUND where there is no such model."""
        status = await self._status(request.service)
        if status == _Answer.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service or model {request.service}")
        return _Answer(status=status)

    async def List(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC's name
        """The server, our service, and every model that is known."""
        services = ["", SERVICE, *(entry.name for entry in await self._dataplane.index())]
        statuses = {service: _Answer(status=await self._status(service)) for service in services}
        return health_pb2.HealthListResponse(statuses=statuses)

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - the RPC's name
        """The status now and whenever it is another one; ends when the server drains, so as not to hold up its stop."""
        told = None
        while True:
            status = await self._status(request.service)
            if status != told:
                await context.write(_Answer(status=status))
                told = status
            if self._dataplane.draining.is_set():
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._dataplane.draining.wait(), self._watch_s)

    async def _status(self, service: str) -> Any:
        if service in ("", SERVICE):
            return _Answer.SERVING if await self._dataplane.is_ready() else _Answer.NOT_SERVING
        try:
            ready = await self._dataplane.model_ready(service)
        except ModelNotFound:
            return _Answer.SERVICE_UNKNOWN
        except ServingError:
            return _Answer.NOT_SERVING
        return _Answer.SERVING if ready and not self._dataplane.draining.is_set() else _Answer.NOT_SERVING
