import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mooring_runtime import Model
from mooring_runtime.grpc_api.messages import SERVICE

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

ASK = health_pb2.HealthCheckRequest
STATUS = health_pb2.HealthCheckResponse


class Moody(Model):
    """Ready when told so."""

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return payload


@asynccontextmanager
async def asking(serve: AbstractAsyncContextManager[Any], until: Until) -> AsyncIterator[tuple[Any, Any]]:
    """A ready server, and a stub of its health service."""
    async with serve as server, grpc.aio.insecure_channel(server.grpc_target) as channel:

        async def is_ready() -> bool:
            return bool((await server.http.get("/v2/health/ready")).status_code == 200)

        await until(is_ready)
        yield server, health_pb2_grpc.HealthStub(channel)


async def status(stub: Any, service: str) -> Any:
    return (await stub.Check(ASK(service=service), timeout=20)).status


async def test_server_service_and_models_are_told(serve_models: Serve, until: Until) -> None:
    model = Moody("m")
    async with asking(serve_models(model), until) as (server, stub):
        assert [await status(stub, name) for name in ("", SERVICE, "m")] == [STATUS.SERVING] * 3
        model.ready = False
        assert [await status(stub, name) for name in ("", "m")] == [STATUS.NOT_SERVING] * 2
        listed = (await stub.List(health_pb2.HealthListRequest(), timeout=20)).statuses
        assert {name: entry.status for name, entry in listed.items()} == {
            "": STATUS.NOT_SERVING,
            SERVICE: STATUS.NOT_SERVING,
            "m": STATUS.NOT_SERVING,
        }
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await status(stub, "other")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        model.ready = True
        server.running.dataplane.draining.set()
        assert [await status(stub, name) for name in ("", SERVICE, "m")] == [STATUS.NOT_SERVING] * 3


async def test_a_watch_tells_each_change_and_ends_when_the_server_drains(serve_models: Serve, until: Until) -> None:
    model = Moody("m")
    async with asking(serve_models(model), until) as (server, stub):
        watch = stub.Watch(ASK(service="m"), timeout=20)
        assert (await watch.read()).status == STATUS.SERVING
        model.ready = False
        assert (await watch.read()).status == STATUS.NOT_SERVING
        assert (await server.http.post("/v2/repository/models/m/unload")).status_code == 200
        assert (await watch.read()).status == STATUS.SERVICE_UNKNOWN
        whole = stub.Watch(ASK(), timeout=20)
        assert (await whole.read()).status == STATUS.SERVING
        server.running.dataplane.draining.set()
        async with asyncio.timeout(5):
            assert (await whole.read()).status == STATUS.NOT_SERVING
            assert await whole.read() is grpc.aio.EOF
            assert await watch.read() is grpc.aio.EOF
