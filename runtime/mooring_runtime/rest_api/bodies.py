"""Request bodies before anyone reads them: how large they may be, and what `Content-Encoding` they may have."""

import asyncio
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mooring_runtime.errors import InvalidInput, RequestTooLarge
from mooring_runtime.rest_api.errors import error_response

LINGER_S = 2.0
"""How long the rest of a refused body is read and dropped: a client that still sends would miss the answer."""


def guarding_bodies(app: ASGIApp, max_body_bytes: int) -> ASGIApp:
    """`app`, which gets bodies of at most `max_body_bytes`, decompressed; others are answered 413 or 400 here."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length, encoding = headers.get(b"content-length"), headers.get(b"content-encoding", b"identity").lower()
        if length is not None and int(length) <= max_body_bytes and encoding == b"identity":
            await app(scope, receive, send)  # the server holds clients to what they announced
            return
        if length is None and b"transfer-encoding" not in headers:
            await app(scope, receive, send)  # no body
            return
        await _guarded(app, scope, receive, send, max_body_bytes, encoding)

    return wrapped


async def _guarded(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, max_body_bytes: int, encoding: bytes
) -> None:
    """The way of bodies that are counted or decompressed as they come."""
    announced = int(dict(scope["headers"]).get(b"content-length", 0))
    try:
        if announced > max_body_bytes:
            raise RequestTooLarge(max_body_bytes)
        body = _Body(receive, max_body_bytes, _decoder(encoding))
    except (RequestTooLarge, InvalidInput) as exc:
        await _refuse(exc, receive, send)
        return
    answered = False

    async def unless_refused(message: Message) -> None:
        nonlocal answered
        if body.refused is None or answered:
            answered = True
            await send(message)

    if encoding != b"identity":
        dropped = (b"content-encoding", b"content-length")
        scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in dropped]}
    try:
        await app(scope, body.receive, unless_refused)
    except (RequestTooLarge, InvalidInput):
        if body.refused is None or answered:
            raise
    if body.refused is not None and not answered:
        await _refuse(body.refused, receive, send)


class _Body:
    """A body that is counted, and decompressed where it has to be, as it comes.

    Attributes:
        refused: Why no more of it is read: what the reader was told, and the client will be.
    """

    def __init__(self, receive: Receive, max_body_bytes: int, decode: "Decode") -> None:
        self.refused: RequestTooLarge | InvalidInput | None = None
        self._receive = receive
        self._max_body_bytes = max_body_bytes
        self._left = max_body_bytes
        self._decode = decode

    async def receive(self) -> Message:
        """The next piece of the body, or that the client is gone.

        Raises:
            RequestTooLarge: it is.
            InvalidInput: it is not in its encoding.
        """
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        try:
            body = self._decode(message.get("body", b""), not message.get("more_body", False), self._left)
            self._left -= len(body)
            if self._left < 0:
                raise RequestTooLarge(self._max_body_bytes)
        except (RequestTooLarge, InvalidInput) as exc:
            self.refused = exc
            raise
        return {**message, "body": body}


Decode = Callable[[bytes, bool, int], bytes]
"""Decodes a piece, which may be the last one, to at least so many bytes as the third tells if there are more."""


def _plain() -> Decode:
    return lambda piece, is_last, left: piece


def _zlib(window: int) -> Decode:
    decoder = zlib.decompressobj(window)

    def decode(piece: bytes, is_last: bool, left: int) -> bytes:
        try:
            # One byte more than may be, so that a small body that becomes a huge one is never held whole.
            decoded = decoder.decompress(piece, left + 1)
        except zlib.error as exc:
            raise InvalidInput(f"the body is not compressed as its Content-Encoding says: {exc}") from None
        if is_last and not decoder.eof and len(decoded) <= left:
            raise InvalidInput("the body ends before its compressed data do")
        return decoded

    return decode


def _decoder(encoding: bytes) -> Decode:
    if encoding not in _DECODERS:
        known = ", ".join(name.decode() for name in _DECODERS)
        raise InvalidInput(f"Content-Encoding is '{encoding.decode('latin-1')}': it must be one of {known}")
    return _DECODERS[encoding]()


_GZIP = 16 + zlib.MAX_WBITS
_DECODERS: Mapping[bytes, Callable[[], Decode]] = {
    b"identity": _plain,
    b"gzip": lambda: _zlib(_GZIP),
    b"x-gzip": lambda: _zlib(_GZIP),
    b"deflate": lambda: _zlib(zlib.MAX_WBITS),
}
"""RFC 9110, section 8.4.1."""


async def _refuse(reason: Exception, receive: Receive, send: Send) -> None:
    """Answer, then read what still comes for a moment, then hang up."""
    response = error_response(reason)
    headers = [*response.raw_headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (message := await receive())["type"] == "http.request" and message.get("more_body"):
                pass
    await send({"type": "http.response.body", "body": b""})
