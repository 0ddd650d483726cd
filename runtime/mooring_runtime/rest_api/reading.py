"""Large bodies, read a few pieces a turn of the loop.

Clients who were answered together send together: reading all of their bodies in one go would hold up everybody else,
health too.
"""

from collections import deque

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

PIECE_BYTES = 64 * 1024
"""Fewer bytes in one go are the last ones of a body, or of one that is small; uvloop reads at most 256 KiB in one."""
PIECES_A_TURN = 4


class Turns:
    """Connections whose bodies are not all there, in the order in which they go on reading."""

    def __init__(self) -> None:
        self._paused: deque[HttpToolsProtocol] = deque()

    def take(self, protocol: HttpToolsProtocol) -> None:
        """A piece was read: let others have their turn, and go on."""
        if protocol.flow.read_paused:  # for another reason, which ends it
            return
        protocol.flow.pause_reading()
        if not self._paused:
            protocol.loop.call_soon(self._go_on)
        self._paused.append(protocol)

    def _go_on(self) -> None:
        for _ in range(min(PIECES_A_TURN, len(self._paused))):
            protocol = self._paused.popleft()
            if not protocol.transport.is_closing():
                protocol.flow.resume_reading()
        if self._paused:
            self._paused[0].loop.call_soon(self._go_on)
