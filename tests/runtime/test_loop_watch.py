import asyncio
import threading
from typing import Any

import httpx

from mooring_runtime.telemetry.loop_watch import LoopWatch


async def test_a_loop_that_stands_is_told_with_its_stack_and_its_lag() -> None:
    stacks: list[str] = []
    moved_on = threading.Event()
    lags: asyncio.Queue[float] = asyncio.Queue()

    def told(stack: str) -> None:
        stacks.append(stack)
        moved_on.set()

    def stands_here() -> None:
        assert moved_on.wait(20)

    watch = LoopWatch(lags.put_nowait, stuck_s=0.05, beat_s=0.001, told=told)
    async with asyncio.timeout(20):
        assert await lags.get() < 20  # it turns
        stands_here()
        while await lags.get() < 0.05:
            pass
    watch.stop()
    (stack,) = stacks
    assert "stands_here" in stack


async def test_a_watch_that_is_stopped_observes_no_more() -> None:
    turned = asyncio.Event()
    observed: list[float] = []

    def observe(seconds: float) -> None:
        observed.append(seconds)
        turned.set()

    watch = LoopWatch(observe, beat_s=0.001)
    await asyncio.wait_for(turned.wait(), 20)
    watch.stop()
    await asyncio.to_thread(_end_of_watch)
    seen = len(observed)
    await asyncio.sleep(0)
    assert len(observed) == seen


def _end_of_watch() -> None:
    for thread in threading.enumerate():
        if thread.name == "loop-watch":
            thread.join(20)


async def test_a_loop_that_stands_answers_no_liveness_and_then_tells_its_lag(serve_ready: Any, until: Any) -> None:
    async with serve_ready() as server:
        url = f"http://127.0.0.1:{server.address.http_port}/v2/health/live"
        outcome: list[Any] = []

        def ask() -> None:
            try:
                outcome.append(httpx.get(url, timeout=0.3).status_code)
            except httpx.TransportError as exc:
                outcome.append(exc)

        asking = threading.Thread(target=ask)
        asking.start()
        asking.join(20)  # on the loop, which stands until the client gives up
        assert isinstance(outcome[0], httpx.TimeoutException)
        assert (await server.http.get("/v2/health/live")).status_code == 200
        registry = server.running.dataplane.metrics.registry

        async def is_told() -> bool:
            late = registry.get_sample_value("mooring_runtime_loop_lag_seconds_sum") or 0
            return late > 0

        await until(is_told)
