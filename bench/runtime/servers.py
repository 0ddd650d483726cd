"""One server: started on free ports, waited for, watched by the kernel's figures, stopped."""

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.meters import TICKS_PER_S, Usage
from bench.runtime.arms import Arm

START_TIMEOUT_S = 90
POLL_S = 0.1
PORTS = ("http", "grpc", "metrics")


@dataclass(frozen=True)
class Server:
    """A server that is ready."""

    http_port: int
    grpc_port: int
    pid: int

    def usage(self) -> Usage:
        """CPU time since its start, and resident memory, of its process and those that it started."""
        page, cpu, pages = os.sysconf("SC_PAGE_SIZE"), 0, 0
        for fields in _family(self.pid):
            cpu += int(fields[11]) + int(fields[12])
            pages += int(fields[21])
        return Usage(cpu / TICKS_PER_S, pages * page)


def _family(pid: int) -> list[list[str]]:
    """The fields of `/proc/PID/stat` behind the name, of a process and all below it."""
    fields: dict[int, list[str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
    found, ahead = [], [pid]
    while ahead:
        parent = ahead.pop()
        found.append(fields[parent])
        ahead += [child for child, values in fields.items() if int(values[1]) == parent]
    return found


def ask(
    port: int, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def serving(arm: Arm, environ: Mapping[str, str], scratch: Path) -> Iterator[Server]:
    """Run an arm until it is ready, and end it afterwards; `scratch` becomes its folder.

    Raises:
        SystemExit: it does not become ready; its last lines say why.
    """
    scratch.mkdir()
    ports = _free_ports()
    words = {**{name: str(port) for name, port in ports.items()}, "scratch": str(scratch)}
    command = [_filled(word, words) for word in arm.command]
    own = {name: _filled(value, words) for name, value in {**environ, **arm.environ}.items()}
    log = scratch / "log"
    with log.open("wb") as output:
        child = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **own})
    try:
        if not _becomes_ready(child, ports["http"]):
            last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise SystemExit(f"{' '.join(command)} is not ready after {START_TIMEOUT_S} s; its last lines:\n{last}")
        yield Server(ports["http"], ports["grpc"], child.pid)
    finally:
        child.terminate()
        try:
            child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _filled(text: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", value)
    return text


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


def _free_ports() -> dict[str, int]:
    with ExitStack() as stack:
        probes = {name: stack.enter_context(socket.socket()) for name in PORTS}
        for probe in probes.values():
            probe.bind(("127.0.0.1", 0))
        return {name: probe.getsockname()[1] for name, probe in probes.items()}
