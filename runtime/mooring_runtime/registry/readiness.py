"""When a model, and when the server, says that it is ready; one rule behind REST, gRPC, the index and the probes.

A model from files is ready once it is loaded and warmed up. A model of user code is asked: `ready`, or `healthy()`
where it has one. While it is too busy to say, what it said last stands.

The server is ready between its start and its drain. A strict one is so only while every model that it should have is: a
pod that lacks one must get no requests for it. Where models come and go on request, as the agent's do, each is told on
its own instead: one that fails must not take the others out of their Service.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from mooring_api.v2 import RepositoryState
from mooring_runtime.errors import QueueFull
from mooring_runtime.registry.repository import IndexEntry, Repository
from mooring_runtime.registry.serving import Serving

ASK_S = 0.8
"""How long a model may take to say that it is healthy: a little less than Kubernetes waits for a probe's answer."""

SAYS_NO = "It says itself that it is not ready."

_SHOWN = 5


class Readiness:
    """What one server and its models say of themselves.

    Args:
        repository: The models.
        strict: Whether the server is ready only while each of its models is.

    Attributes:
        started: Set once every model of the start was tried.
        draining: Set on the way down: not ready any more, still answering.
    """

    def __init__(self, repository: Repository, strict: bool) -> None:
        self._repository = repository
        self._strict = strict
        self.started = False
        self.draining = asyncio.Event()

    async def why_not(self) -> str:
        """Why requests should not come here; empty when they should."""
        if self.draining.is_set():
            return "It is shutting down."
        if not self.started:
            return "It is loading models."
        if not self._strict:
            return ""
        ill = [entry for entry in await self.index() if entry.wanted and entry.state is RepositoryState.UNAVAILABLE]
        return _told(ill)

    async def of_model(self, name: str, version: str | None) -> str:
        """Why a model cannot answer now; empty when it can.

        Raises:
            ModelNotFound: unknown name or version.
            ModelNotReady: nothing serves; the text says why.
        """
        return await _ask(self._repository.serving(name, version))

    async def index(self, ready_only: bool = False) -> list[IndexEntry]:
        """All known models with their states; one that serves but says that it is not ready is unavailable."""
        entries = self._repository.index()
        serving = {
            (entry.name, entry.version): self._repository.serving(entry.name, entry.version)
            for entry in entries
            if entry.state is RepositoryState.READY
        }
        ailments = dict(zip(serving, await asyncio.gather(*map(_ask, serving.values())), strict=True))
        seen = [_with(entry, ailments.get((entry.name, entry.version), "")) for entry in entries]
        return [entry for entry in seen if not ready_only or entry.state is RepositoryState.READY]


def _with(entry: IndexEntry, ailment: str) -> IndexEntry:
    return replace(entry, state=RepositoryState.UNAVAILABLE, reason=ailment) if ailment else entry


async def _ask(serving: Serving) -> str:
    timer = asyncio.timeout(ASK_S)
    try:
        async with timer:
            serving.ailment = "" if await serving.servable.is_ready() else SAYS_NO
    except QueueFull:  # it is busy: what it said last stands
        pass
    except Exception as exc:  # the edge of user code
        if not timer.expired():
            serving.ailment = f"It cannot say whether it is healthy: {type(exc).__name__} : {exc}"
        elif not serving.in_flight:
            serving.ailment = f"It did not say within {ASK_S} s whether it is healthy."
    return serving.ailment


def _told(ill: Sequence[IndexEntry]) -> str:
    """Which models, and why each, not longer than a person reads."""
    if not ill:
        return ""
    shown = " ".join(f"{entry.name}: {entry.reason}" for entry in ill[:_SHOWN])
    more = f" And {len(ill) - _SHOWN} more." if len(ill) > _SHOWN else ""
    return f"Models that it should have are not ready. {shown}{more}"
