"""Free TCP ports on this machine, given out so that no two processes of ours get the same one.

Below the kernel's range for outgoing connections (32768 and up on Linux, 49152 elsewhere), so that a connection cannot
take a port between our look at it and the server's bind; and under a file lock, so that a second `up` or a parallel
test does not get it either.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

FIRST, LAST = 15000, 31999
HOST = "127.0.0.1"


class NoFreePort(RuntimeError):
    """Every port that was tried is taken."""


class Leases:
    """The ports that this process has given out. A lease ends with `release` or with the process."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir()) / f"mooring-ports-{os.getuid()}"
        self._locks: dict[int, int] = {}

    def lease(self) -> int:
        """A port that nobody listens on and that no other process of ours has leased.

        Raises:
            NoFreePort: 500 random ports were all taken.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(500):
            port = random.randint(FIRST, LAST)  # noqa: S311 (spreads processes over the range, no secret)
            if port not in self._locks and self._lock(port):
                if is_free(port):
                    return port
                self.release(port)
        raise NoFreePort(f"no free TCP port found between {FIRST} and {LAST}; stop some servers on this machine")

    def release(self, port: int) -> None:
        """Give a port back; unknown ports are no error."""
        if (fd := self._locks.pop(port, None)) is not None:
            os.close(fd)

    def _lock(self, port: int) -> bool:
        fd = os.open(self._folder / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._locks[port] = fd
        return True


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
