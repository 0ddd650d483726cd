"""One request on its connection, and its answer: uvicorn's protocol without ASGI's messages."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.utils import get_client_addr

from mooring_runtime.logging import logger
from mooring_runtime.registry.servable import Headers
from mooring_runtime.rest_api.answer import JSON_HEADERS, Answer, raw_headers
from mooring_runtime.rest_api.errors import error_answer

Call = Callable[[bytes, Headers], Coroutine[Any, Any, Answer]]
RawHeaders = list[tuple[bytes, bytes]]

_CHUNKED = b"transfer-encoding: chunked\r\n"

LARGE_BYTES = 64 * 1024
"""Bodies that are worth a write of their own rather than a copy behind their headers."""


class Outbox:
    """How answers leave: together, and with heads that are made once.

    Args:
        draining: Set when connections are to end with their answer.
    """

    def __init__(self, draining: asyncio.Event) -> None:
        self._draining = draining
        self._unsent: list[tuple[Exchange, bytes]] = []
        self._usual: tuple[RawHeaders | None, bytes] = (None, b"")

    @property
    def closes(self) -> bool:
        """Whether connections end with their answer."""
        return self._draining.is_set()

    def send(self, exchange: "Exchange", data: bytes) -> None:
        """Send an answer at the end of this turn of the loop, with what else is answered in it.

        A write wakes a client that sleeps, which costs the server's processor as much as all the rest of a small
        request. Clients whose answers are written together are awake for the second one.
        """
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._send_all)
        self._unsent.append((exchange, data))

    def _send_all(self) -> None:
        unsent, self._unsent = self._unsent, []
        for exchange, data in unsent:
            exchange.finish(data)

    def head(self, status: int, defaults: RawHeaders, headers: RawHeaders) -> bytes:
        """Status line and headers, up to those of this answer alone."""
        if headers is JSON_HEADERS and status == HTTPStatus.OK:  # nearly all: made once a second, with their date
            if self._usual[0] is not defaults:
                self._usual = defaults, _lines(status, defaults, headers)
            return self._usual[1]
        return _lines(status, defaults, headers)


def _lines(status: int, defaults: RawHeaders, headers: RawHeaders) -> bytes:
    lines = [STATUS_LINE[status]]
    for name, value in (*defaults, *headers):
        lines += (name, b": ", value, b"\r\n")
    return b"".join(lines)


class Exchange:
    """One request and its answer; what uvicorn's protocol calls a cycle, and has these attributes of.

    Attributes:
        disconnected: The client went away.
        keep_alive: The connection outlives the answer.
        more_body: The body is not there yet.
        response_started: The answer is known.
        response_complete: All of it was written.
        message_event: Told by the protocol when one of the first and the third has changed.
    """

    def __init__(self, protocol: HttpToolsProtocol, outbox: Outbox, call: Call, keep_alive: bool) -> None:
        self.disconnected = False
        self.keep_alive = keep_alive
        self.more_body = True
        self.response_started = False
        self.response_complete = False
        self.message_event = self
        self.pieces: list[bytes] = []
        self._protocol = protocol
        self._outbox = outbox
        self._call = call
        # The next request of the connection may be read before this one is answered.
        self._headers, self._scope, self._target = protocol.headers, protocol.scope, protocol.url
        self._may_begin = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """The answers before it on its connection are sent: begin as soon as the body is there."""
        self._may_begin = True
        self.set()

    def set(self) -> None:
        """Look at what has changed."""
        if self.disconnected:
            if self._task is not None:
                self._task.cancel()
        elif self._may_begin and not self.more_body and self._task is None:
            self._task = self._protocol.loop.create_task(self._answer())
            self._protocol.tasks.add(self._task)

    async def _answer(self) -> None:
        try:
            try:
                answer = await self._call(b"".join(self.pieces), _decoded(self._headers))
                headers = raw_headers(answer)
            except Exception as exc:  # the edge of the transport
                answer = error_answer(exc)
                headers = raw_headers(answer)
            if self._protocol.flow.write_paused:
                await self._protocol.flow.drain()
            if isinstance(answer.body, AsyncIterator):
                await self._send_pieces(answer.body, self._head(answer.status, headers, _CHUNKED))
            else:
                body = answer.body.encode() if isinstance(answer.body, str) else answer.body
                head = self._head(answer.status, headers, b"content-length: %d\r\n" % len(body))
                self._send(head, body)
        except Exception:  # in the middle of an answer there is no other way to tell than to break it off
            logger.exception("An answer broke off")
        finally:
            self._protocol.tasks.discard(self._task)
            if not self.response_started:
                self._protocol.transport.close()

    def _head(self, status: int, headers: RawHeaders, length: bytes) -> bytes:
        if self._protocol.access_log and self._protocol.access_logger.isEnabledFor(logging.INFO):
            self._log(status)
        self.keep_alive = self.keep_alive and not self._outbox.closes
        head = self._outbox.head(status, self._protocol.server_state.default_headers, headers)
        return b"%b%b%b" % (head, length, b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")

    def _log(self, status: int) -> None:
        """Write the line of uvicorn's access log."""
        client, target, version = get_client_addr(self._scope), self._target.decode(), self._scope["http_version"]
        self._protocol.access_logger.info('%s - "%s %s HTTP/%s" %d', client, "POST", target, version, status)

    def _send(self, head: bytes, body: bytes) -> None:
        self.response_started = True
        if len(body) < LARGE_BYTES:
            self._outbox.send(self, head + body)
        else:
            self._protocol.transport.write(head)
            self.finish(body)

    async def _send_pieces(self, pieces: AsyncIterator[bytes | str], head: bytes) -> None:
        self.response_started = True
        self._protocol.transport.write(head)
        try:
            async for piece in pieces:
                data = piece.encode() if isinstance(piece, str) else piece
                if self._protocol.flow.write_paused:
                    await self._protocol.flow.drain()
                if data:  # an empty chunk would be the last one
                    self._protocol.transport.writelines([b"%x\r\n" % len(data), data, b"\r\n"])
        except BaseException:
            self._protocol.transport.close()
            raise
        self.finish(b"0\r\n\r\n")

    def finish(self, data: bytes) -> None:
        """Write the last of the answer, unless the connection is gone, and have the next request of the connection.

        Of requests in a pipe only the newest is told that the connection went. It is asked itself, since uvloop raises
        on a write to it: that would cost the others their answers that leave together with this one.
        """
        self.response_complete = True
        if self._protocol.transport.is_closing():
            return
        self._protocol.transport.write(data)
        if not self.keep_alive:
            self._protocol.transport.close()
        self._protocol.on_response_complete()


def _decoded(headers: RawHeaders) -> Headers:
    """By lower-case name; the first one of several counts, as in Starlette."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(headers)}
