"""One server at a time: started on a free port, waited for, watched by the kernel's figures, stopped."""

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.meters import TICKS_PER_S, Usage

START_TIMEOUT_S = 90
POLL_S = 0.1


@dataclass(frozen=True)
class Server:
    """A server that is ready."""

    port: int
    pid: int

    def url(self, path: str) -> str:
        """Where `path` is."""
        return f"http://127.0.0.1:{self.port}{path}"

    def usage(self) -> Usage:
        """CPU time since its start, and resident memory; every server here is one process."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return Usage((int(fields[11]) + int(fields[12])) / TICKS_PER_S, int(fields[21]) * os.sysconf("SC_PAGE_SIZE"))


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def serving(command: Sequence[str], environ: Mapping[str, str], log: Path) -> Iterator[Server]:
    """Run `command --http_port PORT` until it is ready, and end it afterwards.

    Raises:
        SystemExit: it does not become ready; its last lines say why.
    """
    port = _free_port()
    with log.open("wb") as output:
        child = subprocess.Popen(
            [*command, "--http_port", str(port)], stdout=output, stderr=output, env={**os.environ, **environ}
        )
    try:
        if not _becomes_ready(child, port):
            last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise SystemExit(f"{' '.join(command)} is not ready after {START_TIMEOUT_S} s; its last lines:\n{last}")
        yield Server(port, child.pid)
    finally:
        child.terminate()
        try:
            child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _becomes_ready(child: subprocess.Popen[bytes], port: int) -> bool:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until and child.poll() is None:
        try:
            if ask(port, "GET", "/v2/health/ready")[0] == 200:
                return True
        except OSError:  # it does not listen yet
            pass
        time.sleep(POLL_S)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
