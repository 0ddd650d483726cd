"""The requests of a stream: looked at before they are handed on, and up to when the server drains."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any


async def chained(first: Any, rest: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """One request, and those after it."""
    yield first
    async for request in rest:
        yield request


async def alone(request: Any) -> AsyncGenerator[Any, None]:
    """One request."""
    yield request


async def until(stop: asyncio.Event, requests: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """The requests that come before `stop` is set."""
    stopping = asyncio.ensure_future(stop.wait())
    following = asyncio.ensure_future(anext(requests, None))
    try:
        while True:
            await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not following.done() or (request := following.result()) is None:
                return
            yield request
            following = asyncio.ensure_future(anext(requests, None))
    finally:
        stopping.cancel()
        following.cancel()
