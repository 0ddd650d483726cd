"""The event loops that models of users run on, and what a turn of them takes on."""

import asyncio
from collections.abc import Callable

TURN_S = 0.002
"""How long a loop may compute in a turn: what ends in it is told after it, and what is new begins after it."""


class Turns:
    """How many calls begin in a turn of a loop, by what those of the turn before have cost.

    Args:
        clock: Seconds that the loop's thread has computed.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began_s = 0.0
        self._begun = 0
        self._call_s = 0.0

    def most(self, waiting: int) -> int:
        """Calls that may begin now, at least one; asked once a turn."""
        now_s = self._clock()
        if self._begun:
            self._call_s = (now_s - self._began_s) / self._begun
        fit = int(TURN_S / self._call_s) if self._call_s else waiting
        self._began_s, self._begun = now_s, max(1, min(waiting, fit))
        return self._begun

    def stop(self) -> None:
        """Fewer began: nothing waits any more."""
        self._begun = 0


def loop_like_here() -> asyncio.AbstractEventLoop:
    """A loop of the kind that runs the server, so that `--event_loop` holds for models; asyncio's where none runs.

    uvloop is woken from another thread more cheaply. Exceptions that nobody waits for go where the server's go.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.new_event_loop()
    loop = type(running)()
    loop.set_exception_handler(running.get_exception_handler())
    return loop
