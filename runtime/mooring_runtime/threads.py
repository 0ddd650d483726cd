"""The process's threads: the one place where blocking work leaves the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LANE_THREADS = 64
"""How many models can compute at once; a thread exists only when that many truly did."""

SMALL_BYTES = 64 * 1024
"""Parsing less than this on the loop is cheaper than the way to a thread and back (about 50 us each)."""


@dataclass(frozen=True)
class Threads:
    """Three pools, so that a slow load never delays a decode, nor a hanging model a load."""

    lanes: ThreadPoolExecutor
    """Runs the models."""
    codec: ThreadPoolExecutor
    """Parses large bodies, decodes images."""
    loader: ThreadPoolExecutor
    """Loads models and imports torch."""

    @classmethod
    def for_cpus(cls, cpus: int) -> "Threads":
        """Pools for a machine, or a container, of that many CPUs."""
        return cls(
            lanes=ThreadPoolExecutor(LANE_THREADS, "lane"),
            codec=ThreadPoolExecutor(cpus, "codec"),
            loader=ThreadPoolExecutor(cpus, "loader"),
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
