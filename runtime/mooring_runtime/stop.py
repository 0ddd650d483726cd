"""When a server is told to stop, and how it hears of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from mooring_runtime.errors import StartupError

T = TypeVar("T")


@dataclass(frozen=True)
class Stop:
    """What a server is told: to stop, and then to take no more time than it must."""

    on_signal: Callable[[int], None] = lambda number: None
    """Told of the first signal."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    def signalled(self, number: int) -> None:
        """Once, and once more."""
        first = not self.asked.is_set()
        (self.asked if first else self.hurry).set()
        if first:
            self.on_signal(number)

    def at_once(self) -> None:
        """Both."""
        self.asked.set()
        self.hurry.set()

    async def unless(self, starting: asyncio.Task[T]) -> asyncio.Task[T]:
        """Wait for a task without which the server does not serve.

        Raises:
            StartupError: the server was told to stop before it was done.
        """
        asked = asyncio.ensure_future(self.asked.wait())
        try:
            await asyncio.wait((starting, asked), return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
        if self.asked.is_set():
            raise StartupError("It was told to stop before it served.")
        return starting
