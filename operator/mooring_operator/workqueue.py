"""One run per key, however often its bell rings.

kopf calls handlers for every event and drops their errors; this queue turns any number of bells into one run of one key
at a time, spaces the runs of a busy key (so that 500 models in a second cost a handful of runs), retries failures with
back-off, and looks at every key again after a while even if nothing rang (missed events).
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum

from mooring_operator.core.observed import Key
from mooring_operator.metrics import QueueMetrics

logger = logging.getLogger(__name__)

GATHER_S = 0.02
"""A first bell waits this long, so that what is applied together is seen together."""
PACE_S = (0.05, 0.25)
"""Least seconds between the starts of two runs of a key: at first, and at most while it stays busy. While more keys
wait than can run, it is longer by as much: their news gather."""
QUIET_S = 1.0
"""A key that was left alone this long starts at the first pace again."""
BACKOFF_S = (0.2, 60.0)
"""Seconds before the retry of a failed run: at first (doubling), and at most."""
PATIENCE_S = 5.0
"""A key that waited this long goes before those that have come less far."""


class Step(IntEnum):
    """How far a key has come: what its next run is to begin with. Of the keys that wait, the lowest goes first."""

    ADDRESSES = 0
    """Everything is still to be made."""
    PODS = 1
    """It has its names and routes; its pods are still to be made."""
    REPORT = 2
    """All is made; it is still to be said."""
    SETTLED = 3
    """Nothing is left undone; there may be news."""


@dataclass(frozen=True)
class Outcome:
    """What a run says about the next one."""

    requeue_after_s: float | None = None
    step: Step = Step.SETTLED
    gone: bool = False
    """Nothing is left under this key: forget it."""


@dataclass
class _Entry:
    due: float | None = None
    running: bool = False
    rung: bool = False
    started: float = float("-inf")
    pace_s: float = PACE_S[0]
    failures: int = 0
    step: Step = Step.ADDRESSES


class WorkQueue:
    """Runs `work(key)` for every key whose bell rang, at most `workers` at once."""

    def __init__(
        self,
        work: Callable[[Key], Awaitable[Outcome]],
        *,
        metrics: QueueMetrics,
        workers: int = 8,
        resync_s: float = 600.0,
    ) -> None:
        self._work = work
        self._metrics = metrics
        self._workers = workers
        self._resync_s = resync_s
        self._entries: dict[Key, _Entry] = {}
        self._wake = asyncio.Event()
        self._running = 0
        self._open = True
        self._progress = float("-inf")

    def ring(self, key: Key) -> None:
        """Ask for a run of `key`; cheap, never blocks, call it from the event loop."""
        now = asyncio.get_running_loop().time()
        entry = self._entries.setdefault(key, _Entry())
        if entry.running:
            entry.rung = True
            return
        if now - entry.started > QUIET_S:
            entry.pace_s = PACE_S[0]
        self._schedule(entry, max(now + GATHER_S, entry.started + entry.pace_s))

    def rang_again(self, key: Key) -> bool:
        """Whether the bell of a running key rang since its run began."""
        entry = self._entries.get(key)
        return entry is not None and entry.rung

    def any_before(self, step: Step) -> bool:
        """Whether a key waits that has come less far than `step`."""
        soon = asyncio.get_running_loop().time() + GATHER_S
        return any(
            entry.step < step and entry.due is not None and entry.due <= soon for entry in self._entries.values()
        )

    def _waiting(self) -> int:
        now = asyncio.get_running_loop().time()
        return sum(entry.due is not None and entry.due <= now for entry in self._entries.values())

    def hold(self) -> None:
        """Start no further runs: another operator is active."""
        self._open = False

    def release(self) -> None:
        """Go on."""
        self._open = True
        self._wake.set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and nothing is due within the quiet time."""
        now = asyncio.get_running_loop().time()
        return not self._running and all(e.due is None or e.due > now + QUIET_S for e in self._entries.values())

    @property
    def overdue_s(self) -> float:
        """For how long the queue has had due work without finishing any; 0 while it rests or works."""
        now = asyncio.get_running_loop().time()
        due = min((e.due for e in self._entries.values() if e.due is not None), default=now)
        return max(0.0, now - max(due, self._progress)) if self._open else 0.0

    async def run(self) -> None:
        """Work until cancelled; running keys are cancelled too."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                for key in self._ready():
                    group.create_task(self._run_one(key), name=f"reconcile {key}")
                pause = self._pause()
                try:
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    def _schedule(self, entry: _Entry, due: float) -> None:
        if entry.due is None or due < entry.due:
            entry.due = due
            self._wake.set()

    def _ready(self) -> list[Key]:
        """The keys to start now, by step, then the longest overdue; they count as running from here on."""
        if not self._open:
            return []
        now = asyncio.get_running_loop().time()
        overdue = sorted(
            (entry.step if now - entry.due < PATIENCE_S else Step.ADDRESSES, entry.due, key)
            for key, entry in self._entries.items()
            if entry.due is not None and entry.due <= now
        )
        self._metrics.depth.set(len(overdue))
        ready = [key for _, _, key in overdue[: max(0, self._workers - self._running)]]
        for key in ready:
            entry = self._entries[key]
            entry.due, entry.running, entry.rung, entry.started = None, True, False, now
            self._running += 1
        return ready

    def _pause(self) -> float | None:
        """Seconds until the next key is due; None while only an event can change anything."""
        if not self._open or self._running >= self._workers:
            return None
        due = min((e.due for e in self._entries.values() if e.due is not None), default=None)
        return None if due is None else max(0.0, due - asyncio.get_running_loop().time())

    async def _run_one(self, key: Key) -> None:
        entry = self._entries[key]
        try:
            with self._metrics.seconds.time():
                outcome = await self._work(key)
        except Exception:
            entry.failures += 1
            delay = min(BACKOFF_S[0] * 2 ** (entry.failures - 1), BACKOFF_S[1]) * random.uniform(0.75, 1.25)  # noqa: S311 jitter
            logger.exception("reconciling %s failed (attempt %d); next in %.1f s", key, entry.failures, delay)
            self._metrics.errors.inc()
            outcome = Outcome(requeue_after_s=delay)
        else:
            entry.failures = 0
            self._metrics.total.inc()
        finally:
            self._running -= 1
            self._progress = asyncio.get_running_loop().time()
            entry.running = False
            self._wake.set()
        self._after(key, entry, outcome)

    def _after(self, key: Key, entry: _Entry, outcome: Outcome) -> None:
        if outcome.gone and not entry.rung:
            del self._entries[key]
            return
        now = asyncio.get_running_loop().time()
        entry.step = outcome.step
        crowd = self._waiting() / self._workers
        entry.pace_s = min(entry.pace_s * 2, PACE_S[1]) if crowd <= 1 else PACE_S[1] * crowd
        if entry.rung:
            self._schedule(entry, max(now, entry.started + entry.pace_s))
        resync_s = self._resync_s * random.uniform(0.9, 1.1)  # noqa: S311 spreads the resyncs
        again_s = resync_s if outcome.requeue_after_s is None else min(outcome.requeue_after_s, resync_s)
        self._schedule(entry, now + again_s)
