"""The process's threads: the one place where blocking work leaves the event loop."""

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from mooring_runtime.lanes.openmp import compute_with, let_helpers_go

P = ParamSpec("P")
T = TypeVar("T")

LANE_THREADS = 64
"""How many models can compute at once; a thread exists only when that many truly did."""

SMALL_BYTES = 64 * 1024
"""Parsing less than this on the loop is cheaper than the way to a thread and back (about 50 us each)."""


NICENESS = 5
"""How far threads that compute stand behind the event loop: it gets a CPU the moment that it has something to do."""


def step_back() -> None:
    """Let the calling thread, and threads that it starts (OpenMP's), give way to the event loop.

    Only Linux has niceness by thread. Elsewhere it is the process's, which the loop is part of: nothing is done.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):  # a sandbox without these calls serves without them
            niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
            os.setpriority(os.PRIO_PROCESS, thread, min(niceness, 19))


class WarmThreads(Executor):
    """Threads of which the one that was idle last works first: its caches and OpenMP's helpers are still warm.

    The standard library's pool takes the one that has been idle longest. Where two threads took turns, AlexNet's
    forward of one image took 20 % longer.

    Args:
        most: Threads; each is started when no other is idle.
        name: Of the threads, with a number.
        begin: Called once in each.
    """

    def __init__(self, most: int, name: str, begin: Callable[[], None] = lambda: None) -> None:
        self._most = most
        self._name = name
        self._begin = begin
        self._lock = threading.Lock()  # guards what follows
        self._threads: list[threading.Thread] = []
        self._idle: list[SimpleQueue[Callable[[], None] | None]] = []
        self._waiting: deque[tuple[Future[Any], Callable[[], None]]] = deque()
        self._is_shut = False

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Run `work` in a thread.

        Raises:
            RuntimeError: it was shut down.
        """
        future: Future[T] = Future()
        run = partial(_fulfil, future, work, args, kwargs)
        with self._lock:
            if self._is_shut:
                raise RuntimeError(f"the threads '{self._name}' have been shut down")
            if self._idle:
                self._idle.pop().put(run)
            elif len(self._threads) < self._most:
                name = f"{self._name}_{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._work, args=(run,), name=name, daemon=True))
                self._threads[-1].start()
            else:
                self._waiting.append((future, run))
        return future

    @property
    def idle(self) -> int:
        """Threads that wait for work."""
        return len(self._idle)

    def _work(self, run: Callable[[], None] | None) -> None:
        self._begin()
        mine: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        while run is not None:
            run()
            run = None  # what it holds is let go of before the wait
            with self._lock:
                if self._waiting:
                    _, run = self._waiting.popleft()
                elif self._is_shut:
                    return
                else:
                    self._idle.append(mine)
            run = run or mine.get()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let threads end once nothing waits for them."""
        with self._lock:
            self._is_shut = True
            cancelled = [future for future, _ in self._waiting] if cancel_futures else []
            if cancel_futures:
                self._waiting.clear()
            for idle in self._idle:
                idle.put(None)
            self._idle.clear()
        for future in cancelled:
            future.cancel()
        if wait:
            for thread in self._threads:
                thread.join()


def _fulfil(future: "Future[T]", work: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work(*args, **kwargs))
    except BaseException as exc:  # it is told to whoever asked
        future.set_exception(exc)


class Cores:
    """The CPUs, shared out among the threads that run models now: together they never start more than there are."""

    def __init__(self, cpus: int) -> None:
        self._cpus = cpus
        self._takers = 0
        self._lock = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Count the calling thread for the block."""
        with self._lock:
            self._takers += 1
        try:
            yield
        finally:
            with self._lock:
                self._takers -= 1
                others = self._takers
            if others:  # who computes on may have this thread's CPUs
                let_helpers_go()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """As `taken`, for code that is not ours: torch, where it is there, is told of the share."""
        with self.taken():
            compute_with(self.share)
            yield

    @property
    def share(self) -> int:
        """CPUs for each of those that are counted; at least 1."""
        return max(1, self._cpus // max(1, self._takers))


@dataclass(frozen=True)
class Threads:
    """Three pools, so that a slow load never delays a decode, nor a hanging model a load."""

    lanes: Executor
    """Runs the models."""
    codec: ThreadPoolExecutor
    """Parses large bodies, decodes images."""
    loader: ThreadPoolExecutor
    """Loads models and imports torch."""
    cores: Cores
    """What those that run models share."""

    @classmethod
    def for_cpus(cls, cpus: int) -> "Threads":
        """Pools for a machine, or a container, of that many CPUs."""
        return cls(
            lanes=WarmThreads(LANE_THREADS, "lane", step_back),
            codec=ThreadPoolExecutor(cpus, "codec", step_back),
            loader=ThreadPoolExecutor(cpus, "loader", step_back),
            cores=Cores(cpus),
        )

    async def load(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a loader thread."""

        def load() -> T:
            try:
                return work(*args, **kwargs)
            finally:
                let_helpers_go()

        return await asyncio.get_running_loop().run_in_executor(self.loader, load)

    async def code(self, size_bytes: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run codec `work` over `size_bytes`: here when it is small, else in a thread."""
        if size_bytes < SMALL_BYTES:
            return work(*args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self.codec, lambda: work(*args, **kwargs))

    def shut_down(self) -> None:
        """Let idle threads end; work in progress is not waited for."""
        for pool in (self.lanes, self.codec, self.loader):
            pool.shutdown(wait=False, cancel_futures=True)
