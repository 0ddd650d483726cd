"""One model's queue: bounded, batching what waits, run off the event loop.

A lane owns no thread. While jobs wait it borrows one of a shared executor, so that five hundred idle models cost no
thread, and a model that hangs holds one thread and nobody else's queue. Batches form from what waited while the last
one ran: an idle model answers at once, a busy one fills its batches by itself.

Jobs that are still being made (an image being decoded) are announced. A batch waits for them, since the CPUs work for
it meanwhile, but never longer than the last batch took: that bounds what the wait may cost an answer. Clients who were
answered together ask together, but a large body takes time to read: while fewer have come than were answered, a batch
also waits a moment after each arrival.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Generic, TypeVar

from mooring_runtime.errors import InferenceError, QueueFull
from mooring_runtime.lanes.crowd import Crowd, rows_of
from mooring_runtime.lanes.waiting import Entry

LINGER_S = 0.01
"""How long a moment is at most; an eighth of what the last batch took where that is less."""

J = TypeVar("J", bound=Entry)
R = TypeVar("R")


@dataclass(eq=False)
class _Entry(Generic[J, R]):
    job: J
    done: asyncio.Future[R]
    since: float

    @property
    def batch_key(self) -> Hashable | None:
        return self.job.batch_key

    @property
    def rows(self) -> int:
        return self.job.rows

    @property
    def priority(self) -> int:
        return self.job.priority


@dataclass(frozen=True)
class LaneLimits:
    """How much a lane takes on."""

    max_waiting: int = 256
    """Jobs that may wait or be in the making; one more is refused."""
    max_batch_rows: int = 1
    """Rows that run together at most; a larger job runs alone."""
    concurrency: int = 1
    """Batches that run at once."""
    max_queue_delay_s: float = 0.0
    """How long a batch that is not full may wait for more; 0 runs what is there."""


class Lane(Generic[J, R]):
    """A bounded queue in front of `run`.

    Args:
        name: The model's name, for errors.
        run: Called in a thread with jobs of one batch key; answers a result or an exception for each, in order.
        executor: Where `run` runs; shared by all lanes.
        limits: How much to take on.
        observe: Called on the loop after each batch with (rows, seconds that its oldest job waited).
        busy: Entered by a thread while it serves this lane.
        clock: Seconds, from any beginning.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Sequence[J]], Sequence[R | Exception]],
        executor: Executor,
        limits: LaneLimits,
        observe: Callable[[int, float], None] = lambda rows, waited_s: None,
        busy: Callable[[], AbstractContextManager[object]] = nullcontext,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._name = name
        self._run = run
        self._executor = executor
        self._limits = limits
        self._observe = observe
        self._busy = busy
        self._clock = clock
        self._lock = threading.Condition()  # guards what follows: the loop puts, threads take
        self._crowd: Crowd[_Entry[J, R]] = Crowd(limits.concurrency)
        self._running = 0  # threads that serve this lane
        self._last_took_s = 0.0
        self._last_came = 0.0

    @property
    def waiting(self) -> int:
        """Jobs that wait now."""
        return len(self._crowd.waiting)

    async def submit(self, job: J) -> R:
        """Queue `job` and wait for its result; cancelling the wait takes it out of the queue.

        Raises:
            QueueFull: as many jobs wait as may.
            Exception: whatever `run` answered for this job.
        """
        with self._lock:
            self._check_room()
        return await self._queued(job)

    async def submit_made(self, make: Callable[[], Awaitable[J]]) -> R:
        """As `submit`, of the job that `make` answers; the lane knows that it is coming.

        Raises:
            QueueFull: as many jobs wait or are in the making as may; `make` is not called.
            Exception: whatever `make` raised, or `run` answered for this job.
        """
        with self._lock:
            self._check_room()
            self._crowd.announce()
        try:
            job = await make()
        except BaseException:
            with self._lock:
                self._crowd.give_up()
                self._lock.notify_all()
            raise
        return await self._queued(job, was_announced=True)

    def _check_room(self) -> None:
        if len(self._crowd.waiting) + self._crowd.coming >= self._limits.max_waiting:
            raise QueueFull(self._name, self._limits.max_waiting)

    async def _queued(self, job: J, was_announced: bool = False) -> R:
        loop = asyncio.get_running_loop()
        entry: _Entry[J, R] = _Entry(job, loop.create_future(), self._clock())
        with self._lock:
            self._crowd.put(entry, was_announced)
            self._last_came = entry.since
            self._lock.notify_all()
            start = self._running < self._limits.concurrency
            self._running += start
        if start:
            self._executor.submit(self._drain, loop)
        try:
            return await entry.done
        except asyncio.CancelledError:
            self._forget(entry)
            raise

    def _forget(self, entry: _Entry[J, R]) -> None:
        with self._lock:
            self._crowd.forget(entry)

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread: run batches until nothing waits."""
        with self._busy():
            while batch := self._take():
                began = self._clock()
                results = self._results([entry.job for entry in batch])
                self._ended(batch, self._clock() - began)
                waited_s = began - min(entry.since for entry in batch)
                loop.call_soon_threadsafe(self._deliver, loop, batch, results, waited_s)

    def _ended(self, batch: Sequence[_Entry[J, R]], took_s: float) -> None:
        """Before the answers leave: a client may come again while this thread waits for the lock."""
        with self._lock:
            self._crowd.end(batch)
            self._last_took_s = took_s

    def _take(self) -> list[_Entry[J, R]]:
        """The next batch; none means that this thread has left."""
        with self._lock:
            if self._crowd.waiting:
                self._let_fill()
            batch = self._crowd.take(self._limits.max_batch_rows)
            self._running -= not batch  # nothing waits, or all hung up while it filled
            return batch

    def _let_fill(self) -> None:
        """With the lock: wait while the most urgent job's batch is not full and there is a reason to.

        The reasons are that the job may still wait (`max_queue_delay_s`), and, short of this thread's share, that more
        jobs are in the making, or that one came just now and more are due.
        """
        began = self._clock()
        while (first := next(iter(self._crowd.waiting), None)) is not None and first.batch_key is not None:
            rows = rows_of(entry for entry in self._crowd.waiting if entry.batch_key == first.batch_key)
            if rows >= self._limits.max_batch_rows:
                return
            until = first.since + self._limits.max_queue_delay_s
            is_short = rows < self._crowd.share(self._limits.max_batch_rows)
            if is_short:
                longest = began + self._last_took_s
                if self._crowd.coming:
                    until = max(until, longest)
                elif self._crowd.due:
                    moment_s = min(LINGER_S, self._last_took_s / 8)
                    until = max(until, min(longest, max(began, self._last_came) + moment_s))
            left_s = until - self._clock()
            if left_s <= 0:
                if is_short:
                    self._crowd.expect_none()
                return
            self._lock.wait(left_s)

    def _results(self, jobs: Sequence[J]) -> Sequence[R | Exception]:
        try:
            return self._run(jobs)
        except Exception as exc:  # the edge of user code: whatever it raises is the answer
            return [exc] * len(jobs)
        except BaseException as exc:  # a model that calls sys.exit ends its request, not its lane
            return [InferenceError(f"{type(exc).__name__} : {exc}")] * len(jobs)

    def _deliver(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Sequence[_Entry[J, R]],
        results: Sequence[R | Exception],
        waited_s: float,
    ) -> None:
        self._observe(rows_of(batch), waited_s)
        self._answer(loop, zip(batch, results, strict=True))

    def _answer(self, loop: asyncio.AbstractEventLoop, answers: Iterator[tuple[_Entry[J, R], R | Exception]]) -> None:
        """One answer a turn of the loop: writing a whole batch of them would hold up everybody else, health too."""
        for entry, result in answers:
            if entry.done.done():  # cancelled while it ran
                continue
            if isinstance(result, Exception):
                entry.done.set_exception(result)
            else:
                entry.done.set_result(result)
            loop.call_soon(self._answer, loop, answers)
            return
