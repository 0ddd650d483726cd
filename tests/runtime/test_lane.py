import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest

from mooring_runtime.errors import QueueFull
from mooring_runtime.lanes.lane import Lane, LaneLimits


@dataclass(frozen=True)
class Number:
    value: int
    batch_key: str | None = "same"
    rows: int = 1
    priority: int = 0


class Gate:
    """Doubles numbers, once opened; keeps the batches that it saw."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.entered = threading.Semaphore(0)
        self.batches: list[list[int]] = []

    def __call__(self, jobs: Sequence[Number]) -> list[int | Exception]:
        self.batches.append([job.value for job in jobs])
        self.entered.release()
        assert self.opened.wait(10)
        return [ValueError("negative") if job.value < 0 else job.value * 2 for job in jobs]

    async def is_busy(self) -> None:
        """Returns once one more batch has begun."""
        assert await asyncio.to_thread(self.entered.acquire, timeout=10)


class Stepped(Gate):
    """Ends as many batches as it may."""

    def __init__(self) -> None:
        super().__init__()
        self.opened.set()
        self.may_end = threading.Semaphore(0)

    def __call__(self, jobs: Sequence[Number]) -> list[int | Exception]:
        answers = super().__call__(jobs)
        assert self.may_end.acquire(timeout=10)
        return answers


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def begin(lane: Lane[Number, int], *jobs: Number) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(lane.submit(job)) for job in jobs]


async def settle() -> None:
    """Let tasks that were just made reach their first wait."""
    await asyncio.sleep(0)


async def test_an_idle_lane_answers_at_once(executor: ThreadPoolExecutor) -> None:
    gate = Gate()
    gate.opened.set()
    assert await Lane("m", gate, executor, LaneLimits()).submit(Number(4)) == 8


async def test_what_waits_runs_together_up_to_the_rows_allowed(executor: ThreadPoolExecutor) -> None:
    gate, seen = Gate(), list[int]()
    lane = Lane("m", gate, executor, LaneLimits(max_batch_rows=4), lambda rows, waited_s: seen.append(rows))
    first = begin(lane, Number(0))
    await settle()
    await gate.is_busy()
    rest = begin(lane, Number(1), Number(2, rows=2), Number(3, rows=2), Number(4))
    await settle()
    gate.opened.set()
    assert await asyncio.gather(*first, *rest) == [0, 2, 4, 6, 8]
    assert gate.batches == [[0], [1, 2], [3, 4]]
    assert seen == [1, 3, 3]


async def test_only_equal_keys_run_together_and_no_key_runs_alone(executor: ThreadPoolExecutor) -> None:
    gate = Gate()
    lane = Lane("m", gate, executor, LaneLimits(max_batch_rows=9))
    tasks = begin(lane, Number(0))
    await settle()
    await gate.is_busy()
    tasks += begin(lane, Number(1, "a"), Number(2, "a"), Number(3, "b"), Number(4, None), Number(5, None))
    await settle()
    gate.opened.set()
    await asyncio.gather(*tasks)
    assert gate.batches == [[0], [1, 2], [3], [4], [5]]


async def test_a_full_lane_refuses_and_serves_again_when_it_has_room(executor: ThreadPoolExecutor) -> None:
    gate = Gate()
    lane = Lane("m", gate, executor, LaneLimits(max_waiting=2))
    tasks = begin(lane, Number(0))
    await settle()
    await gate.is_busy()
    tasks += begin(lane, Number(1), Number(2))
    await settle()
    with pytest.raises(QueueFull, match="m has 2 requests waiting"):
        await lane.submit(Number(3))
    gate.opened.set()
    await asyncio.gather(*tasks)
    assert await lane.submit(Number(4)) == 8


async def test_a_cancelled_job_leaves_the_queue_and_never_runs(executor: ThreadPoolExecutor) -> None:
    gate = Gate()
    lane = Lane("m", gate, executor, LaneLimits(max_waiting=1))
    running = begin(lane, Number(0))
    await settle()
    await gate.is_busy()
    waiting = begin(lane, Number(1))
    await settle()
    waiting[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert lane.waiting == 0
    successor = begin(lane, Number(2))
    await settle()
    gate.opened.set()
    assert await asyncio.gather(*running, *successor) == [0, 4]
    assert gate.batches == [[0], [2]]


async def test_one_job_s_error_is_its_own(executor: ThreadPoolExecutor) -> None:
    gate = Gate()
    lane = Lane("m", gate, executor, LaneLimits(max_batch_rows=3))
    tasks = begin(lane, Number(0))
    await settle()
    await gate.is_busy()
    tasks += begin(lane, Number(1), Number(-1), Number(2))
    await settle()
    gate.opened.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [int, int, ValueError, int]


async def test_what_run_raises_answers_every_job_of_the_batch_and_the_lane_goes_on(
    executor: ThreadPoolExecutor,
) -> None:
    def run(jobs: Sequence[Number]) -> list[int | Exception]:
        if jobs[0].value == 0:
            raise RuntimeError("boom")
        return [job.value for job in jobs]

    lane = Lane("m", run, executor, LaneLimits())
    with pytest.raises(RuntimeError, match="boom"):
        await lane.submit(Number(0))
    assert await lane.submit(Number(7)) == 7


async def test_concurrency_runs_batches_side_by_side(executor: ThreadPoolExecutor) -> None:
    gate = Gate()
    lane = Lane("m", gate, executor, LaneLimits(concurrency=2))
    tasks = begin(lane, Number(1), Number(2), Number(3))
    await settle()
    await gate.is_busy()
    await gate.is_busy()
    assert lane.waiting == 1
    gate.opened.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6]


async def test_a_batch_waits_for_more_rows_and_runs_as_soon_as_it_is_full(executor: ThreadPoolExecutor) -> None:
    gate = Gate()
    gate.opened.set()
    lane = Lane("m", gate, executor, LaneLimits(max_batch_rows=3, max_queue_delay_s=60))
    tasks = begin(lane, Number(1), Number(2))
    await settle()
    tasks += begin(lane, Number(3))
    assert await asyncio.wait_for(asyncio.gather(*tasks), 10) == [2, 4, 6]
    assert gate.batches == [[1, 2, 3]]


async def test_a_batch_that_does_not_fill_runs_after_the_delay(executor: ThreadPoolExecutor) -> None:
    gate = Gate()
    gate.opened.set()
    lane = Lane("m", gate, executor, LaneLimits(max_batch_rows=3, max_queue_delay_s=0.02))
    assert await asyncio.wait_for(lane.submit(Number(1)), 10) == 2


async def test_a_lane_whose_jobs_all_left_while_it_filled_serves_the_next(executor: ThreadPoolExecutor) -> None:
    gate, now_s = Gate(), [0.0]
    gate.opened.set()
    limits = LaneLimits(max_batch_rows=2, max_queue_delay_s=0.02)
    lane = Lane("m", gate, executor, limits, clock=lambda: now_s[0])
    gone = begin(lane, Number(1))
    await settle()
    gone[0].cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    now_s[0] = 1.0
    last = begin(lane, Number(2))
    await settle()
    now_s[0] = 2.0
    assert await asyncio.wait_for(asyncio.gather(*last), 10) == [4]
    assert gate.batches == [[2]]


class Making:
    """Makes numbers when told to."""

    def __init__(self) -> None:
        self.finished = asyncio.Event()

    async def __call__(self, value: int) -> Number:
        await self.finished.wait()
        return Number(value)


async def test_a_batch_waits_for_jobs_in_the_making(executor: ThreadPoolExecutor) -> None:
    gate, making, jump_s = Gate(), Making(), [0.0]
    lane = Lane("m", gate, executor, LaneLimits(max_batch_rows=9), clock=lambda: time.perf_counter() + jump_s[0])
    tasks = begin(lane, Number(0))
    await settle()
    await gate.is_busy()
    tasks += [asyncio.create_task(lane.submit_made(partial(making, value))) for value in (1, 2)]
    tasks += begin(lane, Number(3))
    await settle()
    jump_s[0] = 3600.0  # as long as that may the next one wait
    gate.opened.set()
    await tasks[0]
    making.finished.set()
    assert await asyncio.gather(*tasks) == [0, 2, 4, 6]
    assert [sorted(batch) for batch in gate.batches] == [[0], [1, 2, 3]]


async def test_a_batch_waits_for_jobs_in_the_making_no_longer_than_the_last_one_took(
    executor: ThreadPoolExecutor,
) -> None:
    gate, making = Gate(), Making()
    gate.opened.set()
    lane = Lane("m", gate, executor, LaneLimits(max_batch_rows=9))
    assert await lane.submit(Number(1)) == 2
    never = asyncio.create_task(lane.submit_made(lambda: making(2)))
    await settle()
    assert await asyncio.wait_for(lane.submit(Number(3)), 10) == 6
    never.cancel()


async def test_a_job_that_cannot_be_made_leaves_the_lane_as_it_was(executor: ThreadPoolExecutor) -> None:
    async def fails() -> Number:
        raise ValueError("no image")

    gate = Gate()
    gate.opened.set()
    lane = Lane("m", gate, executor, LaneLimits(max_waiting=1))
    for _ in range(2):
        with pytest.raises(ValueError, match="no image"):
            await lane.submit_made(fails)
    assert await lane.submit(Number(1)) == 2


async def test_jobs_in_the_making_count_as_waiting(executor: ThreadPoolExecutor) -> None:
    making = Making()
    lane = Lane("m", Gate(), executor, LaneLimits(max_waiting=1))
    coming = asyncio.create_task(lane.submit_made(lambda: making(1)))
    await settle()
    with pytest.raises(QueueFull):
        await lane.submit_made(lambda: making(2))
    coming.cancel()


async def test_threads_that_are_free_at_once_share_what_waits(executor: ThreadPoolExecutor) -> None:
    gate = Gate()
    lane = Lane("m", gate, executor, LaneLimits(max_batch_rows=9, concurrency=2))
    tasks = begin(lane, Number(1), Number(2), Number(3), Number(4))
    await settle()
    await gate.is_busy()
    await gate.is_busy()
    gate.opened.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8]
    assert max(map(len, gate.batches)) <= 2


async def test_a_batch_leaves_to_the_other_thread_as_much_as_makes_them_equal(executor: ThreadPoolExecutor) -> None:
    gate = Stepped()
    lane = Lane("m", gate, executor, LaneLimits(max_batch_rows=9, concurrency=2))
    tasks = begin(lane, Number(1), Number(2))
    await settle()
    await gate.is_busy()
    await gate.is_busy()
    tasks += begin(lane, *map(Number, range(3, 9)))
    await settle()
    gate.may_end.release()  # one goes on while the other still computes one row: 7 rows for two
    await gate.is_busy()
    assert gate.batches[2:] == [[3, 4, 5, 6]]
    gate.may_end.release(9)
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10, 12, 14, 16]


async def test_whose_clients_left_while_it_ran_takes_no_share(executor: ThreadPoolExecutor) -> None:
    gate = Stepped()
    lane = Lane("m", gate, executor, LaneLimits(max_batch_rows=9, concurrency=2))
    gone = begin(lane, Number(1, rows=9), Number(2, rows=9))
    await settle()
    await gate.is_busy()
    await gate.is_busy()
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    tasks = begin(lane, *map(Number, range(3, 7)))
    await settle()
    for _ in range(2):
        gate.may_end.release()
        await gate.is_busy()
    assert gate.batches[2:] == [[3, 4], [5, 6]]
    gate.may_end.release(2)
    assert await asyncio.gather(*tasks) == [6, 8, 10, 12]


async def test_a_batch_waits_a_moment_after_each_arrival_for_as_many_as_the_last_one_answered(
    executor: ThreadPoolExecutor,
) -> None:
    gate, now_s = Gate(), [0.0]

    def a_second_long(jobs: Sequence[Number]) -> list[int | Exception]:
        now_s[0] += 1
        return gate(jobs)

    # Between batches the clock stands, and with it the moment: only a full batch ends it.
    lane = Lane("m", a_second_long, executor, LaneLimits(max_batch_rows=3), clock=lambda: now_s[0])
    tasks = begin(lane, Number(0))
    await settle()
    await gate.is_busy()
    tasks += begin(lane, Number(1), Number(2), Number(3))
    await settle()
    gate.opened.set()
    await asyncio.gather(*tasks)
    again = begin(lane, Number(4))
    await settle()
    again += begin(lane, Number(5), Number(6))
    assert await asyncio.wait_for(asyncio.gather(*again), 10) == [8, 10, 12]
    assert gate.batches == [[0], [1, 2, 3], [4, 5, 6]]


async def test_others_have_their_turn_between_the_answers_of_a_batch(executor: ThreadPoolExecutor) -> None:
    gate, order = Gate(), list[object]()
    lane = Lane("m", gate, executor, LaneLimits(max_batch_rows=9))
    tasks = begin(lane, Number(0))
    await settle()
    await gate.is_busy()
    tasks += begin(lane, Number(1), Number(2), Number(3))
    for task in tasks[1:]:
        task.add_done_callback(lambda _: order.append("answer"))

    async def other() -> None:
        while len(order) < 6:
            order.append("other")
            await asyncio.sleep(0)

    await settle()
    tasks[1].add_done_callback(lambda _: asyncio.ensure_future(other()))
    gate.opened.set()
    await asyncio.gather(*tasks)
    assert order[0] == "answer"
    assert "other" in order[1 : order.index("answer", 2)]
