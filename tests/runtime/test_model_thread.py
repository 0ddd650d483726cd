import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import uvloop

from mooring_runtime import Model
from mooring_runtime.model_thread import ModelThread

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

V2_BODY = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}]}


class Echo(Model):
    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return payload


async def is_ready(server: Any) -> bool:
    return bool((await server.http.get("/v2/health/ready")).status_code == 200)


class Gated(Model):
    """Hangs in predict until told."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.opened = threading.Event()
        self.entered = threading.Semaphore(0)
        self.finished = 0

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        self.entered.release()
        assert self.opened.wait(20)
        self.finished += 1
        return {"predictions": []}


async def entered(model: Gated) -> None:
    assert await asyncio.to_thread(model.entered.acquire, timeout=10)


async def test_a_model_that_hangs_takes_neither_health_nor_others_with_it(serve_models: Serve, until: Until) -> None:
    gated = Gated("slow")
    async with serve_models(gated, Echo("m")) as server:
        await until(lambda: is_ready(server))
        slow = asyncio.create_task(server.http.post("/v1/models/slow:predict", json={"instances": []}))
        await entered(gated)
        for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/slow/ready"):
            assert (await server.http.get(path)).status_code == 200
        assert (await server.http.post("/v1/models/m:predict", json={"instances": [1]})).status_code == 200
        gated.opened.set()
        assert (await slow).status_code == 200


async def test_a_full_queue_refuses_with_429_and_a_time_to_retry(serve_models: Serve, until: Until) -> None:
    gated = Gated("m")
    async with serve_models(gated, max_waiting=2) as server:
        await until(lambda: is_ready(server))
        waiting = [
            asyncio.create_task(server.http.post("/v1/models/m:predict", json={"instances": []})) for _ in range(2)
        ]
        await entered(gated)

        async def refused() -> bool:
            answer = await asyncio.wait_for(server.http.post("/v1/models/m:predict", json={"instances": []}), 1)
            return bool(answer.status_code == 429 and answer.headers["retry-after"] == "1")

        await until(refused)
        gated.opened.set()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200, 200]


async def test_a_client_that_hangs_up_leaves_the_queue(serve_models: Serve, until: Until) -> None:
    gated = Gated("m")
    async with serve_models(gated) as server:
        await until(lambda: is_ready(server))
        first = asyncio.create_task(server.http.post("/v1/models/m:predict", json={"instances": []}))
        await entered(gated)
        second = asyncio.create_task(server.http.post("/v1/models/m:predict", json={"instances": []}))

        async def in_flight(count: int) -> bool:
            text = (await server.http.get("/metrics")).text
            return f'mooring_runtime_requests_in_flight{{model_name="m"}} {count}.0' in text

        await until(lambda: in_flight(2))
        second.cancel()
        await until(lambda: in_flight(1))
        gated.opened.set()
        assert (await first).status_code == 200
    assert gated.finished == 1


async def test_health_answers_while_a_model_loads(serve_models: Serve, until: Until) -> None:
    class SlowToLoad(Gated):
        def load(self) -> bool:
            self.entered.release()
            assert self.opened.wait(20)
            self.ready = True
            return True

    model = SlowToLoad("m")
    async with serve_models(model) as server:
        await entered(model)
        assert (await server.http.get("/v2/health/live")).status_code == 200
        not_ready = await server.http.get("/v2/health/ready")
        assert (not_ready.status_code, not_ready.json()) == (
            503,
            {"error": "Server is not ready. It is loading models."},
        )
        waiting = await server.http.post("/v1/models/m:predict", json={"instances": []})
        assert (waiting.status_code, waiting.json()) == (503, {"error": "Model with name m is not ready. loading"})
        model.opened.set()
        await until(lambda: is_ready(server))


async def test_a_deadline_takes_the_request_out_of_the_queue_and_answers_504(serve_models: Serve, until: Until) -> None:
    gated = Gated("m")
    async with serve_models(gated) as server:
        await until(lambda: is_ready(server))
        first = asyncio.create_task(server.http.post("/v1/models/m:predict", json={"instances": []}))
        await entered(gated)
        late = await server.http.post(
            "/v1/models/m:predict", json={"instances": []}, headers={"x-request-timeout-ms": "20"}
        )
        assert (late.status_code, late.json()) == (
            504,
            {"error": "Model with name m gave no answer within the request's deadline of 0.02 s."},
        )
        gated.opened.set()
        assert (await first).status_code == 200
    assert gated.finished == 1


async def test_a_handler_that_exits_fails_its_request_and_not_its_model(serve_models: Serve, until: Until) -> None:
    class Exits(Model):
        def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
            if payload["instances"]:
                raise SystemExit(3)
            return {"predictions": []}

    async with serve_models(Exits("m")) as server:
        await until(lambda: is_ready(server))
        failed = await server.http.post("/v1/models/m:predict", json={"instances": [1]})
        assert (failed.status_code, failed.json()) == (500, {"error": "SystemExit : 3"})
        assert (await server.http.post("/v1/models/m:predict", json={"instances": []})).status_code == 200


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_model_s_loop_is_of_the_server_s_kind(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def kinds() -> tuple[type, type]:
        async def kind() -> type:
            return type(asyncio.get_running_loop())

        thread = ModelThread("m", 1)
        try:
            return await kind(), await thread.run(kind)
        finally:
            thread.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        of_server, of_model = runner.run(kinds())
    assert of_model is of_server
