"""One run per key, however often its bell rings."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from mooring_operator.core.observed import Key
from mooring_operator.metrics import QueueMetrics
from mooring_operator.workqueue import GATHER_S, PACE_S, Outcome, Step, WorkQueue

A, B = Key("default", "a"), Key("default", "b")


@asynccontextmanager
async def running(queue: WorkQueue) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def make(
    work: Callable[[Key], Awaitable[Outcome]], *, workers: int = 4, registry: CollectorRegistry | None = None
) -> WorkQueue:
    return WorkQueue(work, metrics=QueueMetrics(registry or CollectorRegistry()), workers=workers, resync_s=3600)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 the condition is plain state of the loop's own tasks
            await asyncio.sleep(0.005)


async def test_a_hundred_bells_are_one_run() -> None:
    runs: list[Key] = []

    async def work(key: Key) -> Outcome:
        runs.append(key)
        return Outcome()

    queue = make(work)
    async with running(queue):
        for _ in range(100):
            queue.ring(A)
        await until(lambda: queue.is_idle)
    assert runs == [A]


async def test_a_bell_during_a_run_causes_exactly_one_more() -> None:
    entered, go = asyncio.Event(), asyncio.Event()
    runs: list[Key] = []

    async def work(key: Key) -> Outcome:
        runs.append(key)
        entered.set()
        await go.wait()
        return Outcome()

    queue = make(work)
    async with running(queue):
        queue.ring(A)
        await entered.wait()
        assert not queue.rang_again(A)
        for _ in range(10):
            queue.ring(A)
        assert queue.rang_again(A)
        go.set()
        await until(lambda: len(runs) == 2 and queue.is_idle)
    assert runs == [A, A]


async def test_a_key_never_runs_twice_at_once_and_different_keys_run_together() -> None:
    active: list[Key] = []
    seen: list[int] = []
    both = asyncio.Event()

    async def work(key: Key) -> Outcome:
        assert key not in active
        active.append(key)
        seen.append(len(active))
        if len(active) == 2:
            both.set()
        await both.wait()
        active.remove(key)
        return Outcome()

    queue = make(work)
    async with running(queue):
        queue.ring(A)
        queue.ring(B)
        queue.ring(A)
        await until(lambda: queue.is_idle)
    assert max(seen) == 2


async def test_no_more_keys_run_at_once_than_there_are_workers() -> None:
    active = 0
    most = 0

    async def work(key: Key) -> Outcome:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await asyncio.sleep(0)
        active -= 1
        return Outcome()

    queue = make(work, workers=2)
    async with running(queue):
        for n in range(10):
            queue.ring(Key("default", f"k{n}"))
        await until(lambda: queue.is_idle)
    assert most <= 2


async def test_a_key_that_waits_is_told_of_by_how_far_it_has_come() -> None:
    go = asyncio.Event()

    async def work(key: Key) -> Outcome:
        await go.wait()
        return Outcome()

    queue = make(work, workers=1)
    async with running(queue):
        queue.ring(A)
        assert queue.any_before(Step.PODS)
        assert not queue.any_before(Step.ADDRESSES)
        await until(lambda: not queue.any_before(Step.SETTLED))  # it runs: nobody waits
        go.set()
        await until(lambda: queue.is_idle)
        queue.ring(A)
        assert not queue.any_before(Step.SETTLED)  # only news


async def test_keys_that_have_come_less_far_go_first() -> None:
    order: list[tuple[Key, Step]] = []
    reached = {A: Step.ADDRESSES, B: Step.ADDRESSES}

    async def work(key: Key) -> Outcome:
        order.append((key, reached[key]))
        if len(order) == 1:
            queue.ring(B)
            due = asyncio.get_running_loop().time() + GATHER_S
            await until(lambda: asyncio.get_running_loop().time() > due)
        reached[key] = Step(reached[key] + 1)
        return Outcome(requeue_after_s=None if reached[key] is Step.SETTLED else 0.0, step=reached[key])

    queue = make(work, workers=1)
    async with running(queue):
        queue.ring(A)
        await until(lambda: len(order) == 6 and queue.is_idle)
    assert order == [(key, step) for step in (Step.ADDRESSES, Step.PODS, Step.REPORT) for key in (A, B)]


async def test_what_is_unfinished_goes_before_what_only_has_news() -> None:
    order: list[Key] = []
    go = asyncio.Event()

    async def work(key: Key) -> Outcome:
        order.append(key)
        if key == B:
            await go.wait()
        return Outcome()

    queue, new = make(work, workers=1), Key("default", "new")
    async with running(queue):
        queue.ring(A)
        await until(lambda: order == [A] and queue.is_idle)
        queue.ring(B)
        await until(lambda: order == [A, B])
        queue.ring(A)
        queue.ring(new)
        due = asyncio.get_running_loop().time() + PACE_S[0]
        await until(lambda: asyncio.get_running_loop().time() > due)
        go.set()
        await until(lambda: len(order) == 4)
    assert order == [A, B, new, A]


async def test_a_failed_run_is_retried_and_counted() -> None:
    registry = CollectorRegistry()
    attempts = 0

    async def work(key: Key) -> Outcome:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise RuntimeError("no answer")
        return Outcome()

    queue = make(work, registry=registry)
    async with running(queue):
        queue.ring(A)
        await until(lambda: attempts == 3 and queue.is_idle)
    assert registry.get_sample_value("mooring_reconcile_errors_total") == 2
    assert registry.get_sample_value("mooring_reconcile_total") == 1


async def test_a_requeue_comes_without_a_bell() -> None:
    runs = 0

    async def work(key: Key) -> Outcome:
        nonlocal runs
        runs += 1
        return Outcome(requeue_after_s=0.01 if runs == 1 else None)

    queue = make(work)
    async with running(queue):
        queue.ring(A)
        await until(lambda: runs == 2)


async def test_a_gone_key_is_forgotten_unless_its_bell_rang() -> None:
    runs = 0

    async def work(key: Key) -> Outcome:
        nonlocal runs
        runs += 1
        if runs == 1:
            queue.ring(key)
        return Outcome(gone=True)

    queue = make(work)
    async with running(queue):
        queue.ring(A)
        await until(lambda: runs == 2 and queue.is_idle)
        queue.ring(A)
        await until(lambda: runs == 3)


async def test_a_held_queue_starts_nothing_until_it_is_released() -> None:
    runs: list[Key] = []

    async def work(key: Key) -> Outcome:
        runs.append(key)
        return Outcome()

    queue = make(work)
    async with running(queue):
        queue.hold()
        queue.ring(A)
        assert queue.overdue_s == 0.0
        await asyncio.sleep(0)
        assert not runs
        queue.release()
        await until(lambda: runs == [A])


@pytest.mark.parametrize("burst", [20, 200])
async def test_the_runs_of_a_busy_key_are_spaced(burst: int) -> None:
    runs = 0

    async def work(key: Key) -> Outcome:
        nonlocal runs
        runs += 1
        return Outcome()

    queue = make(work)
    async with running(queue):
        for _ in range(burst):
            queue.ring(A)
            await asyncio.sleep(0.001)
        await until(lambda: queue.is_idle)
    assert runs <= 2 + burst * 0.01 / 0.05
