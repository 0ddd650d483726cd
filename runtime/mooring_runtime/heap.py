"""Garbage collection that does not stop the server for long.

A full collection looks at every object of the process. With models and their libraries loaded that takes 50 to 200 ms,
several times a second under load, and every request waits for it. What is there after a load stays there, so it is
taken out of the collector's sight; an unload puts it back for one collection, since a model may be held by cycles.
"""

import asyncio
import ctypes
import gc
import sys

SETTLE_S = 1.0
"""How long after an unload the collection is made, for all that are unloaded until then."""


class Heap:
    """The process's objects as its collector sees them; told of loads and unloads, on the loop."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def loaded(self) -> None:
        """Leave alone what is there now: a moment, however much it is."""
        gc.freeze()

    async def unloaded(self) -> None:
        """Give back what an unloaded model held: now, and soon what it held by cycles."""
        await asyncio.to_thread(give_back)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SETTLE_S, self._collect)

    def _collect(self) -> None:
        self._timer = None
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        asyncio.get_running_loop().run_in_executor(None, give_back)

    def close(self) -> None:
        """Put everything back in sight; no collection is made any more."""
        if self._timer is not None:
            self._timer.cancel()
        gc.unfreeze()


def give_back() -> None:
    """Have glibc return free pages to the system: it keeps those of each thread's arena. Elsewhere nothing is done.

    It looks through all that is free, for many milliseconds: the loop is no place for it. Models are loaded by several
    threads in turn, so that what is kept would grow with the first loads of each.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
