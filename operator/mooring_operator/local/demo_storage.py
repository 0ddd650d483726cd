"""The demo's S3: moto's server (a dev dependency) as a process, filled by plain HTTP."""

import importlib.util
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from mooring_operator.local.client import Failed
from mooring_operator.local.loopback import HOST
from mooring_operator.local.process import Guard

BUCKET = "models"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Requests to this machine, whatever proxy the shell names."""
START_S = 60.0


def start(port: int, log: Path, guard: Guard) -> subprocess.Popen[bytes]:
    """Start the server and wait until it answers.

    Raises:
        Failed: moto is not installed, or it does not answer.
    """
    if importlib.util.find_spec("moto") is None:
        raise Failed("the demo's S3 server, moto, is not installed; run `make demo`, or: pip install 'moto[server]'")
    argv = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    with log.open("ab") as output:
        server = subprocess.Popen(  # noqa: S603 (a fixed command)
            argv, stdout=output, stderr=output, start_new_session=True, preexec_fn=guard.enter_current_process
        )
    deadline = time.monotonic() + START_S
    while not _answers(port):
        if time.monotonic() > deadline or server.poll() is not None:
            raise Failed(f"the S3 server does not start; see {log}")
        time.sleep(0.05)
    return server


def upload(port: int, folder: Path) -> int:
    """Put every file below `folder` into the bucket, under its relative path; returns the bytes."""
    _put(port, f"/{BUCKET}", b"")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in files:
        with path.open("rb") as source:
            _put(port, f"/{BUCKET}/{path.relative_to(folder)}", source, path.stat().st_size)
    return sum(path.stat().st_size for path in files)


def _put(port: int, path: str, data: bytes | IO[bytes], size_bytes: int = 0) -> None:
    # Without a type the client would say "a form", which the server would then parse: minutes for AlexNet.
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size_bytes)}
    request = urllib.request.Request(f"http://{HOST}:{port}{path}", data=data, headers=headers, method="PUT")
    with DIRECT.open(request, timeout=60) as answer:
        answer.read()


def _answers(port: int) -> bool:
    try:
        with DIRECT.open(f"http://{HOST}:{port}/moto-api/", timeout=1):
            return True
    except (urllib.error.URLError, OSError):
        return False
