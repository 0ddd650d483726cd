"""Requests under way, so that a pod is not told to end in the middle of one."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator


class Traffic:
    """Counts requests by the port that they went to."""

    def __init__(self) -> None:
        self._under_way: Counter[int] = Counter()
        self._ended = asyncio.Event()

    @contextlib.contextmanager
    def request(self, port: int) -> Iterator[None]:
        """Around a request to `port`."""
        self._under_way[port] += 1
        try:
            yield
        finally:
            self._under_way[port] -= 1
            self._ended.set()

    async def quiet(self, ports: frozenset[int], patience_s: float) -> None:
        """Return when no request is under way to any of the ports, or after `patience_s` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while any(self._under_way[port] for port in ports):
                    self._ended.clear()
                    await self._ended.wait()
