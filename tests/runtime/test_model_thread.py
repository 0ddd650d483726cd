import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc
import pytest
import uvloop

from mooring_runtime import InferInput, InferRequest, Model
from mooring_runtime.grpc_client import InferenceGRPCClient
from mooring_runtime.lanes.threads import NICENESS, Cores
from mooring_runtime.sdk.model_thread import ModelThread

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
            return f'mooring_runtime_requests_in_flight{{model_name="m",protocol="v1"}} {count}.0' in text

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


async def test_a_grpc_deadline_takes_the_request_out_of_the_queue_before_it_runs(
    serve_models: Serve, until: Until
) -> None:
    gated = Gated("m")
    async with serve_models(gated) as server, InferenceGRPCClient(server.grpc_target, retries=0) as client:
        await until(lambda: is_ready(server))
        first = asyncio.create_task(server.http.post("/v1/models/m:predict", json={"instances": []}))
        await entered(gated)
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await client.infer(InferRequest("m", [InferInput("x", [1], "FP32", [1.0])]), timeout=0.2)
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        gone = {"model_name": "m", "protocol": "grpc"}
        registry = server.running.dataplane.metrics.registry

        async def has_left() -> bool:
            return bool(registry.get_sample_value("mooring_runtime_requests_in_flight", gone) == 0)

        await until(has_left)
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


async def test_async_handlers_run_as_tasks_and_overlap(serve_ready: Serve) -> None:
    class Meets(Model):
        """Answers once two requests are in it."""

        def __init__(self, name: str) -> None:
            super().__init__(name)
            self.inside = 0
            self.both = asyncio.Event()

        async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
            self.inside += 1
            if self.inside == 2:
                self.both.set()
            async with asyncio.timeout(10):  # needs a task
                await self.both.wait()
            return {"predictions": [asyncio.current_task() is not None]}

    async with serve_ready(Meets("m")) as server:
        posts = [server.http.post("/v1/models/m:predict", json={"instances": []}) for _ in range(2)]
        answers = await asyncio.gather(*posts)
    assert [answer.json() for answer in answers] == [{"predictions": [True]}] * 2


async def test_a_sync_handler_may_answer_something_to_await(serve_ready: Serve) -> None:
    class Promises(Model):
        def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
            return asyncio.ensure_future(asyncio.wait_for(self.later(), 10))

        async def later(self) -> Any:
            return {"predictions": [7]}

    async with serve_ready(Promises("m")) as server:
        answer = await server.http.post("/v1/models/m:predict", json={"instances": []})
    assert answer.json() == {"predictions": [7]}


async def test_a_model_that_cancels_its_own_work_fails_its_request(serve_ready: Serve) -> None:
    class Cancels(Model):
        async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
            raise asyncio.CancelledError

    async with serve_ready(Cancels("m")) as server:
        answer = await server.http.post("/v1/models/m:predict", json={"instances": []})
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "CancelledError : the model cancelled its own work"},
    )


async def test_calls_begin_in_the_order_of_their_priority() -> None:
    thread, entered, opened, order = ModelThread("m", 10), threading.Event(), threading.Event(), list[str]()

    async def block() -> None:
        entered.set()
        assert opened.wait(20)

    async def note(name: str) -> None:
        order.append(name)

    try:
        blocked = asyncio.create_task(thread.run(block))
        assert await asyncio.to_thread(entered.wait, 20)
        calls = [
            asyncio.create_task(thread.run_eagerly(lambda name=name: note(name), priority))  # type: ignore[misc]
            for name, priority in (("late", 20), ("default", 0), ("first", 1))
        ]
        await asyncio.sleep(0)
        opened.set()
        await asyncio.gather(blocked, *calls)
    finally:
        thread.close()
    assert order == ["first", "default", "late"]


async def test_what_ends_is_told_while_long_calls_that_came_with_it_still_wait() -> None:
    now_s, first_told, entered, opened = [0.0], threading.Event(), threading.Event(), threading.Event()
    thread = ModelThread("m", 10, clock=lambda: now_s[0])

    async def long() -> None:
        now_s[0] += 1

    async def gate() -> None:
        entered.set()
        assert opened.wait(10)
        now_s[0] += 1

    async def needs_the_first() -> None:
        assert first_told.wait(10)

    gated = asyncio.create_task(thread.run(gate))  # what comes next waits together
    assert await asyncio.to_thread(entered.wait, 10)
    first = asyncio.create_task(thread.run(long))
    first.add_done_callback(lambda _: first_told.set())
    rest = [asyncio.create_task(thread.run(call)) for call in (long, needs_the_first)]
    await asyncio.sleep(0)
    opened.set()
    await asyncio.gather(gated, first, *rest)
    thread.close()


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (2, 2)])
async def test_as_many_sync_handlers_run_at_once_as_are_allowed(concurrency: int, most: int) -> None:
    thread, lock, inside, seen = ModelThread("m", 10, concurrency=concurrency), threading.Lock(), 0, list[int]()

    async def work() -> None:
        nonlocal inside
        with lock:
            inside += 1
            seen.append(inside)
        until = time.monotonic() + (10 if concurrency > 1 else 0.02)
        while max(seen) < 2 and time.monotonic() < until:
            time.sleep(0.001)  # noqa: ASYNC251 - a sync handler
        with lock:
            inside -= 1

    try:
        await asyncio.gather(*(thread.run_eagerly(work) for _ in range(4)))
    finally:
        thread.close()
    assert max(seen) == most


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has niceness by thread")
@pytest.mark.parametrize("concurrency", [1, 2])
async def test_a_model_gives_way_to_the_event_loop(concurrency: int) -> None:
    async def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    thread = ModelThread("m", 10, concurrency=concurrency)
    try:
        assert await thread.run_eagerly(niceness) == min(await niceness() + NICENESS, 19)
    finally:
        thread.close()


async def test_handlers_that_run_at_once_share_the_cpus() -> None:
    cores, together = Cores(4), threading.Barrier(2)
    thread, seen = ModelThread("m", 10, concurrency=2, busy=cores.taken), list[int]()

    async def work() -> None:
        together.wait(10)
        seen.append(cores.share)
        together.wait(10)

    try:
        await asyncio.gather(thread.run_eagerly(work), thread.run_eagerly(work))
    finally:
        thread.close()
    assert seen == [2, 2]


async def test_a_stream_that_is_left_while_it_waits_is_closed_after_its_cleanup() -> None:
    cleaned, waits, loop = [], asyncio.Event(), asyncio.get_running_loop()

    async def pieces() -> AsyncIterator[int]:
        try:
            yield 1
            loop.call_soon_threadsafe(waits.set)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)  # closed meanwhile, it would be an error
            cleaned.append(True)

    thread = ModelThread("m", 4)
    stream = thread.stream(pieces())
    assert await anext(stream) == 1

    async def following() -> int:
        return await anext(stream)

    waiting = asyncio.create_task(following())
    async with asyncio.timeout(10):
        await waits.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert cleaned == [True]
    thread.close()
