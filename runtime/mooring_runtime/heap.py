"""Garbage collection that does not stop the server for long.

A full collection looks at every object of the process. With models and their libraries loaded that takes 50 to 200 ms,
several times a second under load, and every request waits for it. What is there after a load stays there, so it is
taken out of the collector's sight; an unload puts it back for one collection, since a model may be held by cycles.
"""

import asyncio
import gc

SETTLE_S = 1.0
"""How long after an unload the collection is made, for all that are unloaded until then."""


class Heap:
    """The process's objects as its collector sees them; told of loads and unloads, on the loop."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def loaded(self) -> None:
        """Leave alone what is there now: a moment, however much it is."""
        gc.freeze()

    def unloaded(self) -> None:
        """Free what an unloaded model held by cycles, soon."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SETTLE_S, self._collect)

    def _collect(self) -> None:
        self._timer = None
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def close(self) -> None:
        """Put everything back in sight; no collection is made any more."""
        if self._timer is not None:
            self._timer.cancel()
        gc.unfreeze()
