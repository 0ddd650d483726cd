"""Server-sent events (WHATWG HTML, section 9.2): an answer in pieces, each a JSON document after `data: `."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mooring_runtime.rest_api.disconnect import CLIENT_CLOSED_REQUEST, while_connected
from mooring_runtime.rest_api.errors import error_response

T = TypeVar("T")

_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
"""The second is nginx's: events are of no use once they were collected."""


async def events(request: Request, pieces: AsyncGenerator[T, None], write: Callable[[T], Awaitable[bytes]]) -> Response:
    """Answer `pieces` as events; they are closed when the last one is sent or the client hangs up.

    The first one is waited for, so that what fails at once has the status of its error. What fails later is an event,
    `{"error": text}`, and the last one: the status has gone by then.

    Args:
        request: Its body must have been read.
        pieces: What to send.
        write: Makes a JSON document of a piece, without line breaks.
    """
    documents = _documents(pieces, write)

    async def first() -> bytes | None:
        return await anext(documents, None)

    try:
        document = await while_connected(request, first())
    except ClientDisconnect:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return _EventStream(document, documents)


async def _documents(
    pieces: AsyncGenerator[T, None], write: Callable[[T], Awaitable[bytes]]
) -> AsyncGenerator[bytes, None]:
    told = False
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                document = await write(piece)
                told = True
                yield document
    except Exception as exc:  # the edge of the transport
        if not told:
            raise
        yield bytes(error_response(exc).body)


class _EventStream(Response):
    """Not Starlette's streaming response: that one cancels again and again, and a generator's cleanup cannot wait."""

    media_type = "text/event-stream"

    def __init__(self, first: bytes | None, rest: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._first = first
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send(send))
            watching = tasks.create_task(_disconnected(receive))
            await asyncio.wait({sending, watching}, return_when=asyncio.FIRST_COMPLETED)
            watching.cancel()
            sending.cancel()  # no effect when it is done

    async def _send(self, send: Send) -> None:
        async with aclosing(self._rest):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if self._first is not None:
                await send(_event(self._first))
                async for document in self._rest:
                    await send(_event(document))
            await send({"type": "http.response.body", "body": b""})


def _event(document: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": b"data: %b\n\n" % document, "more_body": True}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
