"""The agent as a process: start, signals, exit status, and what it never imports before it must."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_its_log_is_json(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "models").mkdir()
    argv = ["--host", "127.0.0.1", "--port", "0", "--component-port", "1"]
    argv += ["--config-dir", str(tmp_path / "config"), "--model-dir", str(tmp_path / "models")]
    process = subprocess.Popen(
        [sys.executable, "-m", "mooring_agent.main", *argv],
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert first.keys() == {"level", "ts", "caller", "msg"}
    assert first["caller"].startswith("agent/main.py:")
    process.send_signal(number)
    rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert all(json.loads(line) for line in rest.splitlines())


def test_wrong_settings_end_it_with_a_message() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mooring_agent.main", "--port", "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--port" in json.loads(done.stdout)["msg"]


def test_a_taken_port_ends_it_with_a_message(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        argv = ["--host", "127.0.0.1", "--port", port, "--model-dir", str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-m", "mooring_agent.main", *argv], capture_output=True, text=True, timeout=20, check=False
        )
    assert done.returncode == 1
    assert port in done.stdout


def test_no_storage_sdk_is_imported_before_a_model_needs_it() -> None:
    code = "import sys, mooring_agent.main; print([m for m in ('boto3', 'google.cloud') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
