"""One model's task: take the step that `plan` says, observe, plan again. Newest wins."""

import asyncio
import logging
import random
from datetime import UTC, datetime

from mooring_agent import errors
from mooring_agent.life import Failure, Life
from mooring_agent.plan import Observed, Step, next_step
from mooring_agent.steps import Tools, take
from mooring_api.agent_status import ModelState
from mooring_api.v1alpha1 import ModelSpec

_log = logging.getLogger(__name__)

_CAN_BE_GIVEN_UP = {Step.FETCH, Step.CHECK}
"""A load is cut off only when the model is to go: otherwise it would leave nothing served. Deletions work in threads
and run to their end."""


class Worker:
    """Brings one model to what is wanted and keeps it there, until nothing of it is left."""

    def __init__(self, life: Life, tools: Tools) -> None:
        self.life = life
        self._tools = tools
        self._bell = asyncio.Event()

    @property
    def seen(self) -> Observed:
        """What there is of the model."""
        return self.life.seen

    def want(self, spec: ModelSpec | None) -> None:
        """Set the goal; None means that the model is to go."""
        if self.life.want(spec):
            self._bell.set()

    def lose(self) -> None:
        """Note that the server does not have the model any more."""
        self.life.seen = self.life.seen.without_loaded()
        self._bell.set()

    async def run(self) -> None:
        """Work until the model is gone."""
        while True:
            self._bell.clear()
            step = next_step(self.life.wanted, self.life.seen)
            if step is Step.FORGET:
                self._tools.board.drop(self.life.name)
                return
            pause_s = self.life.pause_s(step, datetime.now(UTC))
            if pause_s == 0.0:
                await self._attempt(step)
            else:
                await self._rest(pause_s)

    async def _rest(self, pause_s: float | None) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._bell.wait()
        except TimeoutError:
            return

    async def _attempt(self, step: Step) -> None:
        """Take `step`, unless something newer makes it pointless meanwhile."""
        wanted = self.life.wanted
        task = asyncio.create_task(take(step, self.life, self._tools))
        try:
            while not await self._ends_before_bell(task):
                if self._is_pointless(step, wanted):
                    task.cancel()
        finally:
            task.cancel()
        error = None if task.cancelled() else task.exception()
        if error is not None and self.life.wanted == wanted:
            self._settle(error)

    async def _ends_before_bell(self, task: asyncio.Task[None]) -> bool:
        ring = asyncio.create_task(self._bell.wait())
        await asyncio.wait({task, ring}, return_when=asyncio.FIRST_COMPLETED)
        ring.cancel()
        self._bell.clear()
        return task.done()

    def _is_pointless(self, step: Step, wanted: str | None) -> bool:
        now_wanted = self.life.wanted
        if step is Step.LOAD:
            return now_wanted is None
        is_same = now_wanted == wanted and next_step(now_wanted, self.life.seen) is step
        return step in _CAN_BE_GIVEN_UP and not is_same

    def _settle(self, error: BaseException) -> None:
        """Note a failure; only what is no error of a model's ends the worker."""
        name = self.life.name
        if isinstance(error, errors.RuntimeUnreachable):
            self._tools.watch.doubt()
            state = ModelState.LOADING if self.life.wanted else ModelState.UNLOADING
            self._tools.board.put(self.life.described(state, error))
        elif isinstance(error, errors.ModelError):
            self._fail(error)
        elif isinstance(error, Exception):
            # The edge of the sync loop: a defect in one model's attempt must not stop the others.
            _log.error("Model %s: an attempt ended unexpectedly", name, exc_info=error)
            self._fail(errors.TransferFailed(f"model {name!r}: {type(error).__name__}: {error}"))
        else:
            raise error

    def _fail(self, error: errors.ModelError) -> None:
        life, before = self.life, self.life.failure
        delay_s = self._tools.backoff.delay_s(
            max(life.attempts, 1),
            is_permanent=error.is_permanent,
            jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
        )
        life.failure = Failure(error, datetime.now(UTC), delay_s)
        life.was_attempted = True
        self._tools.metrics.failures.labels(error.reason).inc()
        if before is None or before.error.reason != error.reason:
            goal = "load" if life.wanted else "unload"
            _log.warning("Failed to %s model %s, retrying: %s: %s", goal, life.name, error.reason, error)
        self._tools.board.put(life.described(ModelState.FAILED if life.wanted else ModelState.UNLOADING))
