"""Watching the model server: is it there, and does it still have what was loaded?

Each look asks for one loaded model in turn, whatever their number; only when that one is gone (or now and then) is
every model looked at. A server that restarted has lost all its models, so the first question finds out.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable

from mooring_agent.errors import RuntimeUnreachable
from mooring_agent.runtime_client import Readiness, RuntimeClient
from mooring_api.v2 import RepositoryState

_log = logging.getLogger(__name__)

_DOWN_S = 0.2
_UP_S = 1.0
_FULL_LOOK_EVERY = 15
_GONE = {RepositoryState.UNAVAILABLE, ""}
"""Index states of a model that must be loaded again; one that is loading is left alone."""


class RuntimeWatch:
    """Knows whether the server answers; tells which loaded models it lost.

    `loaded` gives the names that should be there now; `lost` is called with those that are not; `changed` whenever
    `is_ready` changes.
    """

    def __init__(
        self,
        client: RuntimeClient,
        loaded: Callable[[], Collection[str]],
        lost: Callable[[Iterable[str]], None],
        changed: Callable[[], None],
    ) -> None:
        self._client, self._loaded, self._lost, self._changed = client, loaded, lost, changed
        self._up = asyncio.Event()
        self._doubt = asyncio.Event()
        self._looks = 0
        self._answers_ready = True
        self.is_ready = False

    async def wait_up(self) -> None:
        """Return once the server answers (at once if it does)."""
        await self._up.wait()

    def doubt(self) -> None:
        """A call failed to connect: look at once, and let nobody else call until the server answers."""
        self._up.clear()
        self._doubt.set()

    @property
    def is_up(self) -> bool:
        """Whether the server answers."""
        return self._up.is_set()

    def learn(self, readiness: Readiness) -> None:
        """Learn from a model that was just loaded whether this server has the ready endpoint at all."""
        if readiness is Readiness.NOT_FOUND:
            self._answers_ready = False

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self.look()
            self._doubt.clear()
            wait_s = _UP_S if self._up.is_set() else _DOWN_S
            try:
                async with asyncio.timeout(wait_s):
                    await self._doubt.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(_DOWN_S)  # a call just failed: asking in the same instant tells nothing new

    async def look(self) -> None:
        """Ask once, and tell what changed."""
        was_up = self._up.is_set()
        try:
            ready = await self._client.is_live()
            missing = await self._missing(everything=not was_up)
        except RuntimeUnreachable:
            self._up.clear()
            self._set_ready(False)
            return
        if missing:
            _log.warning("The model server lost %d loaded models; loading them again", len(missing))
            self._lost(missing)
        self._up.set()
        self._set_ready(ready)

    def _set_ready(self, is_ready: bool) -> None:
        if is_ready != self.is_ready:
            self.is_ready = is_ready
            self._changed()

    async def _missing(self, *, everything: bool) -> list[str]:
        names = sorted(self._loaded())
        if not names:
            return []
        self._looks += 1
        is_due = everything or self._looks % _FULL_LOOK_EVERY == 0
        sample = names[self._looks % len(names)]
        if not is_due and not (self._answers_ready and await self._is_gone(sample)):
            return []
        index = await self._client.index()
        suspects = names if index is None else [name for name in names if index.get(name, "") in _GONE]
        if self._answers_ready:  # the last word: an index may list less than what is loaded
            return [name for name in suspects if await self._is_gone(name)]
        # Neither index nor ready: all that can be seen is that the server went away and came back.
        return suspects if everything or index is not None else []

    async def _is_gone(self, name: str) -> bool:
        return await self._client.readiness(name) in (Readiness.NOT_READY, Readiness.NOT_FOUND)
