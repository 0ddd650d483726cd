"""One version of a model that serves: how many requests hold it, and how it ends."""

import asyncio
from dataclasses import dataclass, field

from mooring_runtime.logging import logger
from mooring_runtime.registry.servable import Servable

DRAIN_S = 30.0
"""How long a retired version may take to answer what it has begun; a model that hangs is dropped then."""

CLOSE_S = 5.0
"""How long a model may take to stop."""


@dataclass(eq=False)
class Serving:
    """A servable, its version, and the requests that are in it."""

    servable: Servable
    version: str | None
    work: str
    """By which name the statistics have what it does."""
    ailment: str = ""
    """Why it was not ready when it was last asked; empty when it was."""
    in_flight: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class Lease:
    """Keeps a version alive for a block. A class, since a generator would take twice as long."""

    __slots__ = ("_serving",)

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def __enter__(self) -> Serving:
        self._serving.in_flight += 1
        return self._serving

    def __exit__(self, *_: object) -> None:
        self._serving.in_flight -= 1
        if not self._serving.in_flight:
            self._serving.idle.set()


async def retire(name: str, serving: Serving) -> None:
    """Close a version when its last request is answered."""
    if serving.in_flight:
        serving.idle.clear()
        try:
            await asyncio.wait_for(serving.idle.wait(), DRAIN_S)
        except TimeoutError:
            logger.warning("Model %s still runs %d requests after %d s: closing it", name, serving.in_flight, DRAIN_S)
    await close(name, serving.servable)


async def close(name: str, servable: Servable) -> None:
    """Close a servable; user code that hangs or fails here is left behind."""
    try:
        await asyncio.wait_for(servable.close(), CLOSE_S)
    except TimeoutError:
        logger.warning("Model %s did not stop within %d s: leaving it behind", name, CLOSE_S)
    except Exception:  # user code; the model is gone all the same
        logger.exception("Model %s failed to stop", name)
