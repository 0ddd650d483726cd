"""`mooring-runtime` as a process, for tests to talk to."""

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx


@dataclass(frozen=True)
class Running:
    http: httpx.Client
    grpc_port: int
    log: list[str]
    pid: int


@contextmanager
def launched(file: Path, *arguments: str, **environ: str) -> Iterator[Running]:
    """A program under the launcher, ready."""
    flags = ("--host", "127.0.0.1", "--http_port", "0", "--grpc_port", "0", *arguments)
    with started("run", str(file), *flags, **environ) as server:
        yield server


@contextmanager
def started(*arguments: str, **environ: str) -> Iterator[Running]:
    """`mooring-runtime ARGUMENT...` on 127.0.0.1, ready, and told to stop after the block."""
    with left_alone(*arguments, **environ) as (server, child):
        yield server
        child.terminate()
        assert child.wait(timeout=30) == 0


@contextmanager
def left_alone(*arguments: str, **environ: str) -> Iterator[tuple[Running, subprocess.Popen[str]]]:
    """The same, to be ended within the block; its log tells the ports that it chose."""
    command = [sys.executable, "-m", "mooring_runtime", *arguments]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environ})
    log: list[str] = []
    try:
        assert child.stderr is not None
        ports: dict[str, int] = {}
        for line in child.stderr:
            log.append(line)
            if found := re.search(r"Listening on (\w+)://127\.0\.0\.1:(\d+)", line):
                ports[found[1]] = int(found[2])
            if len(ports) == 2:
                break
        assert len(ports) == 2, "".join(log)
        reader = threading.Thread(target=lambda: log.extend(child.stderr or ()), daemon=True)
        reader.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{ports['http']}", timeout=60) as http:
            wait_ready(http, child)
            yield Running(http, ports["grpc"], log, child.pid), child
        reader.join(timeout=10)
    finally:
        child.kill()
        child.wait()


def wait_ready(http: httpx.Client, child: subprocess.Popen[str]) -> None:
    while child.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if http.get("/v2/health/ready").status_code == 200:
                return
    raise AssertionError("the program ended")
