"""From the server's event loop to a model's."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

T = TypeVar("T")

_END: Any = object()


def brought(items: AsyncIterator[T]) -> AsyncIterator[T]:
    """What `items` gives on the loop that runs now, to be iterated on another one."""
    home = asyncio.get_running_loop()

    async def following() -> T:
        item: T = await anext(items, _END)
        return item

    async def elsewhere() -> AsyncIterator[T]:
        while (item := await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(following(), home))) is not _END:
            yield item

    return elsewhere()
