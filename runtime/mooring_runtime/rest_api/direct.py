"""Requests of models, answered right at the connection: no ASGI, no routing, nothing between the parser and the model.

A small model spends most of its time in what stands before it. So uvicorn's protocol hands the two paths that matter,
`POST /v1/models/M:predict` and `POST /v2/models/M/infer`, straight to `Inference`; the same endpoints of the
application answer them when something of the user's stands in front, or when a request is out of the ordinary.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.utils import get_client_addr

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.logging import logger
from mooring_runtime.rest_api.answer import Answer, raw_headers
from mooring_runtime.rest_api.errors import error_answer
from mooring_runtime.rest_api.inference import Inference
from mooring_runtime.servable import Headers

Call = Callable[[bytes, Headers], Coroutine[Any, Any, Answer]]
RawHeaders = list[tuple[bytes, bytes]]

# A name that needs decoding, a query, or any other path: the application's.
_V1 = re.compile(rb"/v1/models/([^/?%\x7f-\xff]+):(predict|explain)")
_V2 = re.compile(rb"/v2/models/([^/?%\x7f-\xff]+)(?:/versions/([^/?%\x7f-\xff]+))?/infer")

_OUT_OF_THE_ORDINARY = frozenset({b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"})
"""Headers of requests that the application reads."""

LARGE_BYTES = 64 * 1024
"""Bodies that are worth a write of their own rather than a copy behind their headers."""


class Direct:
    """Which requests are answered here, and how.

    Args:
        inference: Answers.
        dataplane: Tells when the server drains.
        max_body_bytes: Longer bodies are the application's to refuse.
    """

    def __init__(self, inference: Inference, dataplane: DataPlane, max_body_bytes: int) -> None:
        self._inference = inference
        self._dataplane = dataplane
        self._max_body_bytes = max_body_bytes

    def call(self, method: bytes, target: bytes, headers: RawHeaders) -> Call | None:
        """What answers a request of these headers; None when the application does."""
        if method != b"POST":
            return None
        for name, value in headers:
            if name in _OUT_OF_THE_ORDINARY or (name == b"content-length" and int(value) > self._max_body_bytes):
                return None
        if found := _V1.fullmatch(target):
            verb = self._inference.predict if found[2] == b"predict" else self._inference.explain
            return partial(verb, model_name=found[1].decode())
        if found := _V2.fullmatch(target):
            version = found[2].decode() if found[2] else None
            return partial(self._inference.infer, model_name=found[1].decode(), model_version=version)
        return None

    @property
    def closes(self) -> bool:
        """Whether connections end with their answer."""
        return self._dataplane.draining.is_set()


class Exchange:
    """One request and its answer; what uvicorn's protocol calls a cycle, and has these attributes of.

    Attributes:
        disconnected: The client went away.
        keep_alive: The connection outlives the answer.
        more_body: The body is not there yet.
        response_started: The head of the answer was written.
        response_complete: All of it was.
        message_event: Told by the protocol when one of the first and the third has changed.
    """

    def __init__(self, protocol: HttpToolsProtocol, direct: Direct, call: Call, keep_alive: bool) -> None:
        self.disconnected = False
        self.keep_alive = keep_alive
        self.more_body = True
        self.response_started = False
        self.response_complete = False
        self.message_event = self
        self.pieces: list[bytes] = []
        self._protocol = protocol
        self._direct = direct
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
            await self._send(answer, headers)
        except Exception:  # in the middle of an answer there is no other way to tell than to break it off
            logger.exception("An answer broke off")
        finally:
            self._protocol.tasks.discard(self._task)
            if not self.response_complete:
                self._protocol.transport.close()

    async def _send(self, answer: Answer, headers: RawHeaders) -> None:
        body = answer.body
        if isinstance(body, str):
            body = body.encode()
        length = b"content-length: %d\r\n" % len(body) if isinstance(body, bytes) else b"transfer-encoding: chunked\r\n"
        head = self._head(answer.status, headers, length)
        await self._drained()
        self.response_started = True
        if isinstance(body, bytes):
            self._write(head, body)
        else:
            self._protocol.transport.write(head)
            await self._send_pieces(body)
        self._complete()

    def _head(self, status: int, headers: RawHeaders, length: bytes) -> bytes:
        if self._protocol.access_log:
            self._log(status)
        self.keep_alive = self.keep_alive and not self._direct.closes
        lines = [STATUS_LINE[status]]
        for name, value in (*self._protocol.server_state.default_headers, *headers):
            lines += (name, b": ", value, b"\r\n")
        lines += (length, b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        return b"".join(lines)

    def _log(self, status: int) -> None:
        """Write the line of uvicorn's access log."""
        client, target, version = get_client_addr(self._scope), self._target.decode(), self._scope["http_version"]
        self._protocol.access_logger.info('%s - "%s %s HTTP/%s" %d', client, "POST", target, version, status)

    def _write(self, head: bytes, body: bytes) -> None:
        if len(body) < LARGE_BYTES:
            self._protocol.transport.write(head + body)
        else:
            self._protocol.transport.writelines([head, body])

    async def _send_pieces(self, pieces: AsyncIterator[bytes | str]) -> None:
        async for piece in pieces:
            data = piece.encode() if isinstance(piece, str) else piece
            await self._drained()
            if data:  # an empty chunk would be the last one
                self._protocol.transport.writelines([b"%x\r\n" % len(data), data, b"\r\n"])
        self._protocol.transport.write(b"0\r\n\r\n")

    async def _drained(self) -> None:
        if self._protocol.flow.write_paused:
            await self._protocol.flow.drain()

    def _complete(self) -> None:
        self.response_complete = True
        if self.disconnected:
            return
        if not self.keep_alive:
            self._protocol.transport.close()
        self._protocol.on_response_complete()


def _decoded(headers: RawHeaders) -> Headers:
    """By lower-case name; the first one of several counts, as in Starlette."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(headers)}


def answering_directly(base: type[HttpToolsProtocol], direct: Direct) -> type[HttpToolsProtocol]:
    """Make an HTTP protocol for uvicorn of another one: it answers what `direct` says by itself."""

    class Answering(base):  # type: ignore[valid-type, misc]  # a class of which we make one
        cycle: Any

        def on_headers_complete(self) -> None:
            call = direct.call(self.parser.get_method(), self.url, self.headers)
            if call is None:
                super().on_headers_complete()
                return
            version = self.parser.get_http_version()
            self.scope["http_version"] = version
            keep_alive = version != "1.0" and self.parser.should_keep_alive()
            before, exchange = self.cycle, Exchange(self, direct, call, keep_alive)
            self.cycle = exchange
            if before is None or before.response_complete:
                exchange.start()
            else:
                self.flow.pause_reading()
                self.pipeline.appendleft((exchange, self.app))

        def _start_asgi_task(self, cycle: Any, app: Any) -> None:
            if isinstance(cycle, Exchange):
                cycle.start()
            else:
                super()._start_asgi_task(cycle, app)

        def on_body(self, body: bytes) -> None:
            if isinstance(self.cycle, Exchange):
                self.cycle.pieces.append(body)
            else:
                super().on_body(body)

    return Answering
