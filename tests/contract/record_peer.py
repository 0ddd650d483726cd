"""Record what KServe answers to `requests.yaml`, as the golden answers of `test_kserve_answers.py`.

    python3.11 -m venv VENV && VENV/bin/pip install 'kserve==0.21.*'
    python -m tests.contract.record_peer --python VENV/bin/python

KServe runs in its own virtual environment: its pins would fight ours, and its place on the import path is ours.
"""

import argparse
import http.client
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.contract.answers import GOLDEN, MODELS, ask, read_requests

COMMAND = "python -m tests.contract.record_peer --python VENV/bin/python"
VERSIONS = (
    "import importlib.metadata as m, json, platform; "
    "names = ('kserve', 'fastapi', 'starlette', 'uvicorn', 'numpy'); "
    "print(json.dumps({'python': platform.python_version(), **{name: m.version(name) for name in names}}))"
)
START_TIMEOUT_S = 120


@contextmanager
def serving(python: Path, log: Path) -> Iterator[int]:
    """KServe with the models, ready; answers its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    flags = ["--http_port", str(port), "--enable_grpc", "false"]
    with log.open("w") as output:
        child = subprocess.Popen([str(python), str(MODELS), *flags], stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_ready(port, child, log)
        yield port
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
    raise SystemExit(f"KServe did not get ready: see {log}")


def record(python: Path, log: Path) -> dict[str, dict[str, Any]]:
    """Versions and answers."""
    told = subprocess.run([str(python), "-c", VERSIONS], check=True, capture_output=True, text=True).stdout
    with serving(python, log) as port:
        answers = {request.name: ask(port, request) for request in read_requests()}
    return {"versions": json.loads(told), "answers": answers}


def written(versions: dict[str, Any], answers: dict[str, Any]) -> str:
    """A JSON file with a line for each answer, so that a diff shows which changed."""
    lines = ",\n".join(f"  {_json(name)}: {_json(answer)}" for name, answer in answers.items())
    head = f'"recorded_with": {_json(COMMAND)},\n"versions": {_json(versions)},\n'
    return f'{{\n{head}"answers": {{\n{lines}\n}}\n}}\n'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Write `tests/golden/contract/kserve.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, required=True, help="of the virtual environment that has KServe")
    log = Path(tempfile.gettempdir()) / "kserve.log"
    parser.add_argument("--log", type=Path, default=log, help="where KServe's log goes (%(default)s)")
    args = parser.parse_args()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    (GOLDEN / "kserve.json").write_text(written(**record(args.python, args.log)))


if __name__ == "__main__":
    main()
