"""Clients that do not finish their request: a header a minute, or half a body, must not stay for ever."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

TIMED_OUT = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 53\r\n\r\n"
    b'{"error": "The request did not arrive in good time."}'
)


def impatient(base: type[HttpToolsProtocol], client_timeout_s: float) -> type[HttpToolsProtocol]:
    """Make an HTTP protocol for uvicorn of another one: it answers 408 and hangs up on a client that keeps it waiting.

    A connection has `client_timeout_s` to send its first headers, a request the same for its own; a body may not pause
    for longer. Idle connections between requests are uvicorn's (`timeout_keep_alive`).
    """

    class Impatient(base):  # type: ignore[valid-type, misc]  # a class of which we make one
        _heard_s: float | None = None
        """When the request that is awaited was last heard of; None while none is."""
        _timer: asyncio.TimerHandle | None = None
        """Runs on from request to request: a timer for each would cost more than reading it does."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self._heard_s is None:
                self._wait()

        def on_body(self, body: bytes) -> None:
            self._heard_s = self.loop.time()
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._heard_s = None
            super().on_message_complete()

        def _is_answering(self) -> bool:
            cycle: Any = self.cycle  # None before the first request, which uvicorn's annotation does not say
            return cycle is not None and cycle.response_started and not cycle.response_complete

        def _wait(self) -> None:
            self._heard_s = self.loop.time()
            if self._timer is None:
                self._timer = self.loop.call_later(client_timeout_s, self._check)

        def _check(self) -> None:
            self._timer = None
            if self._heard_s is None:
                return
            left_s = self._heard_s + client_timeout_s - self.loop.time()
            if left_s > 0:
                self._timer = self.loop.call_later(left_s, self._check)
                return
            if not self._is_answering():
                self.transport.write(TIMED_OUT)
            self.transport.close()

    return Impatient
