"""One model's life: take the step that `plan` says, observe, plan again. Newest wins."""

import asyncio
import logging
import random
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic

from mooring_agent import errors
from mooring_agent.disk import Disk
from mooring_agent.log import timestamp
from mooring_agent.metrics import Metrics
from mooring_agent.plan import Backoff, Observed, Step, next_step
from mooring_agent.runtime_client import Readiness, RuntimeClient
from mooring_agent.runtime_watch import RuntimeWatch
from mooring_agent.status import Board
from mooring_agent.storage import Storage, parse
from mooring_agent.storage.folder import Folder
from mooring_api import model_config, names
from mooring_api.agent_status import AgentModel, ModelError, ModelState
from mooring_api.storage_uri import redact
from mooring_api.v1alpha1 import ModelSpec

_log = logging.getLogger(__name__)

_READY_POLL_S = 0.1
_BLOCKED_BY_FAILURE = {Step.FETCH, Step.SWAP, Step.UNLOAD, Step.DELETE}
"""Steps that wait for the back-off after a failed attempt; LOAD too, unless it brings an older version back."""

_GIVEN_UP = {True: {Step.FETCH}, False: {Step.FETCH, Step.CHECK, Step.LOAD}}
"""Steps that are cut off when the goal changes, by whether there still is one."""


@dataclass(frozen=True)
class Tools:
    """What every worker shares."""

    disk: Disk
    storage: Storage
    client: RuntimeClient
    watch: RuntimeWatch
    board: Board
    metrics: Metrics
    backoff: Backoff
    load_timeout_s: float
    downloads: asyncio.Semaphore
    loads: asyncio.Semaphore


@dataclass
class Failure:
    """The last failed attempt."""

    error: errors.ModelError
    time: datetime
    retry_at: float
    """On the monotonic clock."""
    retry_time: datetime


@dataclass
class Worker:
    """Brings one model to what is wanted and keeps it there, until nothing of it is left."""

    name: str
    tools: Tools
    seen: Observed = field(default_factory=Observed)
    spec: ModelSpec | None = None
    """Of the wanted version; None when the model is to go."""
    last_spec: ModelSpec | None = None
    attempts: int = 0
    failure: Failure | None = None
    folder: Folder | None = None
    """Of the running fetch."""
    fingerprint: str | None = None
    """Of what was fetched last: tells whether a model that the server refused was uploaded again."""
    was_attempted: bool = False
    bell: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def wanted(self) -> str | None:
        """The wanted version."""
        return model_config.download_id(self.spec) if self.spec else None

    def want(self, spec: ModelSpec | None) -> None:
        """Set the goal. Another version starts counting its attempts anew; another memory or framework does not."""
        before = self.wanted
        self.spec = spec
        if spec is not None:
            self.last_spec = spec
        if self.wanted != before:
            self.attempts, self.failure, self.fingerprint = 0, None, None
            self.bell.set()

    def lose(self) -> None:
        """The server does not have the model any more."""
        self.seen = replace(self.seen, loaded=None)
        self.bell.set()

    async def run(self) -> None:
        """Work until the model is gone."""
        while True:
            self.bell.clear()
            step = next_step(self.wanted, self.seen)
            if step is Step.FORGET:
                self.tools.board.drop(self.name)
                return
            pause_s = self._pause_s(step)
            if pause_s == 0:
                await self._take(step)
            else:
                await self._rest(pause_s)

    def _pause_s(self, step: Step) -> float | None:
        """Seconds until `step` may be taken; None when only the bell matters."""
        if step is Step.KEEP:
            return None
        is_blocked = step in _BLOCKED_BY_FAILURE or (step is Step.LOAD and self.seen.in_place == self.wanted)
        if self.failure is None or not is_blocked:
            return 0
        return max(0.0, self.failure.retry_at - monotonic())

    async def _rest(self, pause_s: float | None) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self.bell.wait()
        except TimeoutError:
            return

    async def _take(self, step: Step) -> None:
        """Take `step`, unless the goal changes meanwhile.

        A fetch is given up when another version is wanted, a call only when none is: a load that was cut off would
        leave nothing served. Deletions run to their end, for they work in threads.
        """
        wanted = self.wanted
        task = asyncio.create_task(_STEPS[step](self))
        try:
            while True:
                ring = asyncio.create_task(self.bell.wait())
                await asyncio.wait({task, ring}, return_when=asyncio.FIRST_COMPLETED)
                ring.cancel()
                if task.done():
                    break
                self.bell.clear()
                if self.wanted != wanted and step in _GIVEN_UP[self.wanted is not None]:
                    task.cancel()
                    await asyncio.wait({task})
        finally:
            task.cancel()
        self._settle(task, wanted)

    def _settle(self, task: asyncio.Task[None], wanted: str | None) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        if isinstance(error, errors.RuntimeUnreachable):
            self.tools.watch.doubt()
            self.show(ModelState.LOADING if wanted else ModelState.UNLOADING, error)
        elif isinstance(error, errors.ModelError):
            self._fail(error)
        elif isinstance(error, OSError):
            self._fail(errors.TransferFailed(f"model {self.name!r}: {error}"))
        elif isinstance(error, Exception):
            _log.error("Model %s: a defect stopped an attempt", self.name, exc_info=error)
            self._fail(errors.TransferFailed(f"model {self.name!r}: {type(error).__name__}: {error}"))
        else:
            raise error

    def _fail(self, error: errors.ModelError) -> None:
        before = self.failure
        delay_s = self.tools.backoff.delay_s(
            max(self.attempts, 1),
            is_permanent=error.is_permanent,
            jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
        )
        now = datetime.now(UTC)
        self.failure = Failure(error, now, monotonic() + delay_s, now + timedelta(seconds=delay_s))
        self.was_attempted = True
        self.tools.metrics.failures.labels(error.reason).inc()
        if before is None or before.error.reason != error.reason:
            what = "download and load" if self.wanted else "unload"
            _log.warning("Failed to %s model %s: %s: %s", what, self.name, error.reason, error)
        self.show(ModelState.FAILED if self.wanted else ModelState.UNLOADING)

    def show(self, state: ModelState, waiting_for: errors.ModelError | None = None) -> None:
        """Put the model's state on the board; `waiting_for` is an error that is no failed attempt."""
        spec = self.spec or self.last_spec
        failure = self.failure
        told = (
            ModelError(reason=failure.error.reason, message=str(failure.error), time=timestamp(failure.time))
            if (failure)
            else None
        )
        if waiting_for is not None:
            told = ModelError(reason=waiting_for.reason, message=str(waiting_for), time=timestamp(datetime.now(UTC)))
        done, total = (self.folder.bytes_done, self.folder.bytes_total) if self.folder else (0, None)
        self.tools.board.put(
            AgentModel(
                name=self.name,
                state=state,
                storage_uri=redact(spec.storage_uri) if spec else "",
                wanted_id=self.wanted,
                loaded_id=self.seen.loaded,
                bytes_done=done,
                bytes_total=total,
                attempts=self.attempts,
                last_error=told,
                next_retry=timestamp(failure.retry_time) if failure and state is ModelState.FAILED else None,
            )
        )

    async def _fetch(self) -> None:
        if self.spec is None:
            return
        spec = self.spec
        self.attempts += 1
        if re.fullmatch(names.MODEL_NAME_PATTERN, self.name) is None:
            raise errors.InvalidName(f"model name {self.name!r} is not allowed; use letters, digits, '-' and '_'")
        async with self.tools.downloads:
            uri = parse(spec.storage_uri)
            if self.failure is None:
                _log.info("Downloading model from %s", uri.redacted)
            part = self.tools.disk.begin(self.name)
            try:
                began = monotonic()
                self.folder = Folder(part, uri.redacted)
                self.show(ModelState.DOWNLOADING)
                self.fingerprint = await self.tools.storage.fetch(uri, self.folder)
                self.tools.disk.stage(self.name, part, spec)
                self.tools.metrics.fetches.observe(monotonic() - began)
                self.tools.metrics.fetched_bytes.inc(self.folder.bytes_done)
                self.seen = replace(self.seen, staged=model_config.download_id(spec), refused=None)
            finally:
                if part.exists():
                    await asyncio.shield(asyncio.to_thread(self.tools.disk.abandon, part))

    async def _swap(self) -> None:
        if self.seen.refused == self.wanted and await self._was_uploaded_again():
            self.seen = replace(self.seen, staged=None)
            return
        has_old = self.tools.disk.swap(self.name)
        previous = self.seen.in_place if has_old else None
        self.seen = replace(self.seen, in_place=self.seen.staged, staged=None, previous=previous)

    async def _restore(self) -> None:
        self.tools.disk.restore(self.name)
        seen = self.seen
        self.seen = replace(seen, in_place=seen.previous, staged=seen.in_place, previous=None)

    async def _check(self) -> None:
        """After the agent restarted: do not load again what the server has."""
        await self.tools.watch.wait_up()
        async with self.tools.loads:
            readiness = await self.tools.client.readiness(self.name)
        loaded = self.seen.in_place if readiness is Readiness.READY else None
        self.seen = replace(self.seen, is_recovered=False, loaded=loaded)
        if loaded is not None and loaded == self.wanted:
            self._succeed()

    async def _load(self) -> None:
        version = self.seen.in_place
        is_wanted = version == self.wanted
        if is_wanted and self.seen.refused == version:
            self.attempts += 1
            if await self._was_uploaded_again():
                self.seen = replace(self.seen, in_place=None)
                return
        self.show(ModelState.LOADING)
        await self.tools.watch.wait_up()
        self.seen = replace(self.seen, may_be_loaded=True)
        try:
            async with self.tools.loads:
                began = monotonic()
                await self.tools.client.load(self.name)
                await self._confirm()
        except errors.LoadFailed:
            await self._refused(version)
            raise
        self.tools.metrics.loads.observe(monotonic() - began)
        self.seen = replace(self.seen, loaded=version, refused=self.seen.refused if not is_wanted else None)
        _log.info("Successfully loaded model %s", self.name)
        if is_wanted:
            self._succeed()
        else:
            self.show(ModelState.FAILED if self.failure else ModelState.PENDING)

    async def _confirm(self) -> None:
        """Wait until the server says that the model is ready: some load in the background."""
        deadline = monotonic() + self.tools.load_timeout_s
        while True:
            readiness = await self.tools.client.readiness(self.name)
            self.tools.watch.note_readiness_after_load(readiness)
            if readiness in (Readiness.READY, Readiness.NOT_FOUND):
                return
            if monotonic() > deadline:
                raise errors.LoadFailed(f"model {self.name!r}: the server took the load but never became ready")
            await asyncio.sleep(_READY_POLL_S)

    async def _refused(self, version: str | None) -> None:
        """The server may have lost what it had; put the version before back, which is loaded next."""
        self.seen = replace(self.seen, refused=version, loaded=None)
        if self.seen.previous is not None:
            await self._restore()
        if version != self.wanted:
            self.attempts += 1

    async def _was_uploaded_again(self) -> bool:
        if self.spec is None or self.fingerprint is None:
            return False
        try:
            return await self.tools.storage.fingerprint(parse(self.spec.storage_uri)) != self.fingerprint
        except errors.StorageError:
            return False  # the storage is not needed to try the load again

    def _succeed(self) -> None:
        self.failure = None
        self.was_attempted = True
        self.show(ModelState.LOADED)

    async def _commit(self) -> None:
        await asyncio.to_thread(self.tools.disk.commit, self.name)
        self.seen = replace(self.seen, staged=None, previous=None)

    async def _unload(self) -> None:
        self.show(ModelState.UNLOADING)
        await self.tools.watch.wait_up()
        async with self.tools.loads:
            await self.tools.client.unload(self.name)
        self.seen = replace(self.seen, loaded=None, may_be_loaded=False, is_recovered=False)
        _log.info("Successfully unloaded model %s", self.name)

    async def _delete(self) -> None:
        await asyncio.to_thread(self.tools.disk.delete, self.name)
        self.seen = Observed()


_STEPS: Mapping[Step, Callable[[Worker], Coroutine[None, None, None]]] = {
    Step.FETCH: Worker._fetch,
    Step.SWAP: Worker._swap,
    Step.RESTORE: Worker._restore,
    Step.CHECK: Worker._check,
    Step.LOAD: Worker._load,
    Step.COMMIT: Worker._commit,
    Step.UNLOAD: Worker._unload,
    Step.DELETE: Worker._delete,
}
