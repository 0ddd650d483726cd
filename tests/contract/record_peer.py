"""Record what KServe or MLServer answers to the request lists, as golden answers for the tests here.

    python3.11 -m venv VENV && VENV/bin/pip install 'kserve==0.21.*'
    python -m tests.contract.record_peer --python VENV/bin/python

    python3.11 -m venv VENV && VENV/bin/pip install 'mlserver==1.7.1' 'uvloop<0.22'
    python -m tests.contract.record_peer --peer mlserver --python VENV/bin/python

A peer runs in its own virtual environment: its pins would fight ours, and its place on the import path is ours.
"""

import argparse
import http.client
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.answers import GOLDEN
from tests.contract.suites import KSERVE, MLSERVER, MODELS_OF, SUITES, Suite

PACKAGES = {
    KSERVE: ("kserve", "fastapi", "starlette", "uvicorn", "numpy", "grpcio"),
    MLSERVER: ("mlserver", "fastapi", "starlette", "uvicorn", "uvloop", "grpcio"),
}
START_TIMEOUT_S = 120


@dataclass(frozen=True)
class Ports:
    """Free a moment ago."""

    http: int
    grpc: int
    metrics: int


def free_ports() -> Ports:
    """Three ports that nobody listens on."""
    probes = [socket.socket() for _ in range(3)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    numbers = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return Ports(*numbers)


def start_of(peer: str, python: Path, ports: Ports, scratch: str) -> tuple[list[str], dict[str, str]]:
    """The command that serves the models, and what it needs in its environment."""
    models = str(MODELS_OF[peer])
    if peer == KSERVE:
        return [str(python), models, "--http_port", str(ports.http), "--grpc_port", str(ports.grpc)], {}
    environ = {
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_HTTP_PORT": str(ports.http),
        "MLSERVER_GRPC_PORT": str(ports.grpc),
        "MLSERVER_METRICS_PORT": str(ports.metrics),
        "MLSERVER_METRICS_DIR": scratch,
        "PYTHONPATH": models,
    }
    return [str(python.with_name("mlserver")), "start", models], environ


@contextmanager
def serving(peer: str, python: Path, log: Path) -> Iterator[Ports]:
    """The peer with its models, ready."""
    ports = free_ports()
    with tempfile.TemporaryDirectory() as scratch, log.open("w") as output:
        command, environ = start_of(peer, python, ports, scratch)
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environ})
        try:
            wait_ready(ports.http, child, log)
            yield ports
        finally:
            child.terminate()
            child.wait(timeout=30)


def wait_ready(port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    """Until the server answers.

    Raises:
        SystemExit: it ended, or took too long.
    """
    give_up = time.monotonic() + START_TIMEOUT_S
    while child.poll() is None and time.monotonic() < give_up:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/v2/health/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise SystemExit(f"The peer did not get ready: see {log}")


def versions_of(peer: str, python: Path) -> dict[str, str]:
    """What is installed beside the peer."""
    code = (
        "import importlib.metadata as m, json, platform; "
        f"names = {PACKAGES[peer]!r}; "
        "print(json.dumps({'python': platform.python_version(), **{name: m.version(name) for name in names}}))"
    )
    told = subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True).stdout
    versions: dict[str, str] = json.loads(told)
    return versions


def record(suite: Suite, python: Path, log: Path) -> str:
    """A suite's golden file; the peer is started anew for it, since requests change it."""
    with serving(suite.peer, python, log) as ports:
        answers = suite.ask_all(ports.http, ports.grpc)
    return written(suite.peer, versions_of(suite.peer, python), answers)


def written(peer: str, versions: dict[str, Any], answers: dict[str, Any]) -> str:
    """A JSON file with a line for each answer, so that a diff shows which changed."""
    chosen = "" if peer == KSERVE else f"--peer {peer} "
    command = f"python -m tests.contract.record_peer {chosen}--python VENV/bin/python"
    lines = ",\n".join(f"  {_json(name)}: {_json(answer)}" for name, answer in answers.items())
    head = f'"recorded_with": {_json(command)},\n"versions": {_json(versions)},\n'
    return f'{{\n{head}"answers": {{\n{lines}\n}}\n}}\n'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Write the peer's files in `tests/golden/contract/`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", choices=tuple(PACKAGES), default=KSERVE, help="whom to ask (%(default)s)")
    parser.add_argument("--python", type=Path, required=True, help="of the virtual environment that has the peer")
    log = Path(tempfile.gettempdir()) / "peer.log"
    parser.add_argument("--log", type=Path, default=log, help="where the peer's log goes (%(default)s)")
    args = parser.parse_args()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for suite in SUITES:
        if suite.peer == args.peer:
            golden = record(suite, args.python, args.log)
            (GOLDEN / f"{suite.name}.json").write_text(golden, encoding="utf-8")


if __name__ == "__main__":
    main()
