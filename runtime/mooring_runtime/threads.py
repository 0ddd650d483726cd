"""The process's threads: the one place where blocking work leaves the event loop."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

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

    @property
    def share(self) -> int:
        """CPUs for each of those that are counted; at least 1."""
        return max(1, self._cpus // max(1, self._takers))


@dataclass(frozen=True)
class Threads:
    """Three pools, so that a slow load never delays a decode, nor a hanging model a load."""

    lanes: ThreadPoolExecutor
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
            lanes=ThreadPoolExecutor(LANE_THREADS, "lane", step_back),
            codec=ThreadPoolExecutor(cpus, "codec", step_back),
            loader=ThreadPoolExecutor(cpus, "loader", step_back),
            cores=Cores(cpus),
        )

    async def load(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a loader thread."""
        return await asyncio.get_running_loop().run_in_executor(self.loader, lambda: work(*args, **kwargs))

    async def code(self, size_bytes: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run codec `work` over `size_bytes`: here when it is small, else in a thread."""
        if size_bytes < SMALL_BYTES:
            return work(*args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self.codec, lambda: work(*args, **kwargs))

    def shut_down(self) -> None:
        """Let idle threads end; work in progress is not waited for."""
        for pool in (self.lanes, self.codec, self.loader):
            pool.shutdown(wait=False, cancel_futures=True)
