"""Watches the server's event loop from beside it: how late it runs, and where it stands when it does not.

Liveness takes no part in this. It is answered on the loop, so that a loop that stands answers nothing and the probe
fails; a thread that answered for it would lie. The thread here tells a person why, before the container is restarted.
"""

import asyncio
import sys
import threading
import traceback
from collections.abc import Callable
from time import perf_counter

from mooring_runtime.logging import logger

BEAT_S = 0.5
STUCK_S = 5.0
"""How long the loop may stand before the log says where; a probe fails three times in that time."""


def log_stack(stack: str) -> None:
    """Tell where the loop stands."""
    logger.error(
        "The event loop has stood still for %.0f s; nothing is answered, health neither. It is at:\n%s", STUCK_S, stack
    )


class LoopWatch:
    """Asks the loop that makes it to turn, now and then, until it is stopped.

    Args:
        observe: Called on the loop with the seconds that it took to turn.
        stuck_s: How long it may take before `told` is called.
        beat_s: How long to wait between two turns.
        told: Called in the watch's thread with the stack of the loop, once for each time that it stands.
    """

    def __init__(
        self,
        observe: Callable[[float], None],
        stuck_s: float = STUCK_S,
        beat_s: float = BEAT_S,
        told: Callable[[str], None] = log_stack,
    ) -> None:
        self._observe = observe
        self._stuck_s = stuck_s
        self._beat_s = beat_s
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._loops_thread = threading.get_ident()
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, name="loop-watch", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(self._beat_s):
            turned = threading.Event()
            try:
                self._loop.call_soon_threadsafe(self._turn, turned, perf_counter())
            except RuntimeError:  # it is closed
                return
            if not turned.wait(self._stuck_s) and not self._stopped.is_set():
                self._told(self._stack())
                while not turned.wait(self._beat_s) and not self._stopped.is_set():
                    pass

    def _turn(self, turned: threading.Event, asked: float) -> None:
        turned.set()
        self._observe(perf_counter() - asked)

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._loops_thread)
        return "".join(traceback.format_stack(frame)) if frame is not None else "nowhere: its thread has ended\n"
