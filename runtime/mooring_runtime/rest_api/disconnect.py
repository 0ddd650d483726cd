"""A client that hangs up no longer waits: its request leaves the queue."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mooring_runtime.registry.servable import Headers
from mooring_runtime.rest_api.answer import Answer, response_of

T = TypeVar("T")

CLIENT_CLOSED_REQUEST = 499
"""nginx's number; nobody reads it but the metrics of a proxy."""


async def respond(request: Request, call: Callable[[bytes, Headers], Coroutine[Any, Any, Answer]]) -> Response:
    """Read the body, and answer what `call` makes of it and of the headers, unless the client goes away."""
    body = await request.body()
    try:
        return response_of(await while_connected(request, call(body, dict(request.headers))))
    except ClientDisconnect:
        return Response(status_code=CLIENT_CLOSED_REQUEST)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Await `work`, or cancel it when the client disconnects; the body must have been read.

    Raises:
        ClientDisconnect: the client is gone, nobody will read an answer.
    """
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        watcher.cancel()
        task.cancel()  # no effect when it is done


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
