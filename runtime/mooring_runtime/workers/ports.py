"""The ports of a server of several workers, held by none of them.

Each worker listens on a socket of its own (SO_REUSEPORT), and the kernel spreads connections over those that listen;
the supervisor's are bound but do not listen, so that the ports stay ours while workers come and go. One listening
socket that all workers inherit was tried: whichever loop wakes first takes all that waits, so that of 8 connections at
once all 8 went to one of two workers (median of 20 rounds), where the kernel's spreading gives the fuller one 5.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from mooring_runtime.settings import Settings
from mooring_runtime.transports import bind, listen


@dataclass(frozen=True)
class Ports:
    """Numbers that every worker can listen on."""

    http: int
    grpc: int
    """0 when gRPC is off."""


@contextmanager
def held(settings: Settings) -> Iterator[Ports]:
    """Both ports for the block; 0 in the settings takes any free one.

    Raises:
        StartupError: a port is taken or not ours to take.
    """
    with ExitStack() as sockets:
        http = sockets.enter_context(_hold(settings.host, settings.http_port, "--http_port"))
        grpc = None
        if settings.enable_grpc:
            grpc = sockets.enter_context(_hold(settings.host, settings.grpc_port, "--grpc_port"))
        yield Ports(_number(http), _number(grpc) if grpc else 0)


def _hold(host: str, port: int, flag: str) -> socket.socket:
    if port:  # another server that shares its port in the same way would let us in, and take half of our clients
        listen(host, port, flag=flag).close()
    return bind(host, port, shared=True, flag=flag)


def _number(sock: socket.socket) -> int:
    port: int = sock.getsockname()[1]
    return port
