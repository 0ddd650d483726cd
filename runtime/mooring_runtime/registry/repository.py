"""The models of one server by name: loading, swapping, retiring them, and telling their states.

All methods run on the server's loop. A load builds the new version beside the old one; requests move over in one step,
and the old version is closed when its last request is answered. A load that fails leaves the old version serving.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar, cast

from mooring_api.v2 import RepositoryState
from mooring_runtime.errors import ModelNotFound, ModelNotReady
from mooring_runtime.heap import Heap
from mooring_runtime.logging import logger
from mooring_runtime.metrics import Metrics
from mooring_runtime.registry.model_source import ModelSource, load_failure
from mooring_runtime.registry.servable import Servable, Versioned
from mooring_runtime.registry.serving import Lease, Serving, close, retire
from mooring_runtime.registry.slot import Slot
from mooring_runtime.telemetry.statistics import work_of

T = TypeVar("T")


@dataclass(frozen=True)
class IndexEntry:
    """One line of the repository index."""

    name: str
    version: str | None
    state: RepositoryState
    reason: str
    wanted: bool = True
    """Whether the server should have it: it is one of the start, or served once."""


class Repository:
    """Models by name, in the order in which they were first loaded.

    Args:
        source: Opens models.
        tasks: Owns loads and drains, so that a client that hangs up does not stop half-way what it began.
        metrics: Where loads are counted.
    """

    def __init__(self, source: ModelSource, tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
        self._source = source
        self._tasks = tasks
        self._metrics = metrics
        self._slots: dict[str, Slot] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._heap = Heap()

    def names(self) -> list[str]:
        """Names of the models that can answer."""
        return [name for name, slot in self._slots.items() if slot.servings]

    def work(self, name: str, version: str | None) -> str | None:
        """By which name the statistics have what a model does; None where nothing serves."""
        slot = self._slots.get(name)
        serving = slot.find(version) if slot else None
        return serving.work if serving else None

    def knows(self, name: str) -> bool:
        """Whether the index has the model, in whatever state."""
        return name in self._slots

    def index(self) -> list[IndexEntry]:
        """All known models with their states, one line for each version that serves."""
        return [
            IndexEntry(name, version, slot.state, slot.reason, slot.expected or slot.loads > 0)
            for name, slot in self._slots.items()
            for version in [serving.version for serving in slot.servings] or [None]
        ]

    def expect(self, names: Iterable[str], numbers: Mapping[str, int] | None = None) -> None:
        """Know of models that will be loaded: until they are, they are not ready, instead of unknown.

        Args:
            names: The models.
            numbers: How many loads of each the next one makes, where other processes counted before.
        """
        for name in names:
            loads = (numbers or {}).get(name, 1) - 1
            self._slots.setdefault(name, Slot(reason="It waits to be loaded.", expected=True, loads=loads))

    def lease(self, name: str, version: str | None = None) -> Lease:
        """The serving version of a model, kept alive for the block that this is entered for.

        Raises:
            ModelNotFound: unknown name, or not in that version.
            ModelNotReady: known, but nothing serves.
        """
        return Lease(self.serving(name, version))

    def serving(self, name: str, version: str | None = None) -> Serving:
        """The serving version of a model; for more than a look, take a `lease`. Raises as `lease`."""
        return self.servings(name, version)[-1]

    def servings(self, name: str, version: str | None = None) -> Sequence[Serving]:
        """All serving versions of a model, or the one that is asked for; the newest last. Raises as `lease`."""
        slot = self._slots.get(name)
        if slot is None:
            raise ModelNotFound(name)
        if not slot.servings:
            raise ModelNotReady(name, slot.reason or f"It is {slot.state}.")
        if not version:
            return slot.servings
        serving = slot.find(version)
        if serving is None:
            raise ModelNotFound(name, f"Version {version} is not there; {slot.told()}.")
        return (serving,)

    async def load(self, name: str, number: int | None = None) -> int:
        """Load `name`, or its next version; returns, when requests reach it, how many loads of it that makes.

        Args:
            name: The model.
            number: How many that is to make; counted here when None.

        Raises:
            ModelNotFound: the source has no such model.
            ModelLoadFailed: it cannot be served; the old version, where there is one, still is.
        """
        return await self._to_the_end(self._load(name, number))

    async def unload(self, name: str) -> None:
        """Forget `name`; returns when what it had begun is answered and it is closed.

        Raises:
            ModelNotFound: unknown name.
        """
        await self._to_the_end(self._unload(name))

    async def close(self) -> None:
        """Close every model now; loads that still run are abandoned. For a server that has drained."""
        for task in self._running:
            task.cancel()
        for name, slot in self._slots.items():
            for serving in slot.servings:
                await close(name, serving.servable)
            if slot.servings:
                logger.info("Unloaded model %s", name)
        self._slots.clear()
        self._heap.close()

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` even if the caller is cancelled; its error is the caller's, never the task group's."""

        async def outcome() -> tuple[T, None] | tuple[None, Exception]:
            try:
                return await work, None
            except Exception as exc:  # handed to the caller
                return None, exc

        result, error = await asyncio.shield(self._begin(outcome()))
        if error is not None:
            raise error
        return cast("T", result)

    async def _load(self, name: str, number: int | None) -> int:
        slot = self._slots.get(name) or Slot()
        async with slot.lock:
            self._slots[name] = slot
            slot.state = RepositoryState.READY if slot.servings else RepositoryState.LOADING
            slot.reason = "loading a new version" if slot.servings else "loading"
            started = perf_counter()
            try:
                opened = await self._source.open(name)
            except Exception as exc:
                failure = load_failure(name, exc)
                self._load_failed(name, slot, failure)
                raise failure from exc
            slot.loads = slot.loads + 1 if number is None else number
            old = slot.servings
            slot.servings = self._servings(name, opened, slot)
            slot.state, slot.reason = RepositoryState.READY, ""
            seconds = perf_counter() - started
            self._metrics.load_seconds.labels("ok").observe(seconds)
            logger.info("Loaded model %s%s in %.3f s", name, slot.logged(), seconds)
            self._heap.loaded()
        for serving in old:
            if serving not in slot.servings:
                self._begin(retire(name, serving))
        return slot.loads

    def _servings(self, name: str, opened: Servable | Mapping[str | None, Servable], slot: Slot) -> tuple[Serving, ...]:
        if isinstance(opened, Mapping):
            return tuple(Serving(servable, version, work_of(name, version)) for version, servable in opened.items())
        for serving in slot.servings:
            if serving.servable is opened:  # user code loads anew in place
                return (serving,)
        return (Serving(opened, self._version(opened, slot.loads), work_of(name, None)),)

    def _version(self, servable: Servable, loads: int) -> str | None:
        if isinstance(servable, Versioned):
            return servable.version
        return str(loads) if self._source.versioned else None

    def _load_failed(self, name: str, slot: Slot, exc: Exception) -> None:
        self._metrics.load_seconds.labels("failed").observe(0)
        logger.error("%s", exc)
        self._remember(name, slot, exc)

    def failed_elsewhere(self, name: str, exc: Exception) -> None:
        """Tell of a load that failed in another process, and was not tried here, as of one that failed here."""
        self._remember(name, self._slots.setdefault(name, Slot()), exc)

    def _remember(self, name: str, slot: Slot, exc: Exception) -> None:
        if slot.servings:
            slot.reason = f"the last load failed, the version before it serves: {exc}"
        elif isinstance(exc, ModelNotFound):
            del self._slots[name]
        else:
            slot.state, slot.reason = RepositoryState.UNAVAILABLE, str(exc)

    async def _unload(self, name: str) -> None:
        slot = self._slots.get(name)
        if slot is None:
            raise ModelNotFound(name)
        async with slot.lock:
            if self._slots.get(name) is not slot:  # two unloads met; the first one did it
                raise ModelNotFound(name)
            servings, slot.servings = slot.servings, ()
            slot.state, slot.reason = RepositoryState.UNLOADING, "unloading"
            try:
                await asyncio.gather(*(retire(name, serving) for serving in servings))
            finally:
                del self._slots[name]
        await self._heap.unloaded()
        logger.info("Unloaded model %s", name)
