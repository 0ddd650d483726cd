"""The command line, as a user meets it; `up` as a process of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mooring_operator.cli import main

Run = Callable[..., "Ended"]
MOORING = [sys.executable, "-m", "mooring_operator.cli"]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command of `mooring local` that ends by itself, in this process."""

    def call(*words: str) -> Ended:
        try:
            code = main(["local", *words, "--data-dir", str(data_dir)])
        except SystemExit as exc:  # argparse's way of saying no
            code = int(str(exc.code))
        return Ended(code, *capsys.readouterr())

    return call


@pytest.fixture
def up(data_dir: Path, tmp_path: Path, tiny: str, isvc: Callable[..., str]) -> Iterator[dict[str, Any]]:
    """A running `mooring local up` with the service `tiny`: its process, its port and the server's answer."""
    (tmp_path / "a.yaml").write_text(isvc())
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = ["local", "up", str(tmp_path / "a.yaml"), "--port", str(port), "--image", f"tiny={tiny}"]
    process = subprocess.Popen([*MOORING, *words, "--data-dir", str(data_dir)], stdout=subprocess.DEVNULL)
    try:
        yield {"process": process, "port": port, "answer": answer(port)}
    finally:
        process.kill()
        process.wait()


def answer(port: int) -> Any:
    url = f"http://127.0.0.1:{port}/default/tiny/"
    return until(lambda: json.load(urllib.request.urlopen(url, timeout=5)))


def until(look: Callable[[], Any], patience_s: float = 20) -> Any:
    deadline = time.monotonic() + patience_s
    while True:
        with contextlib.suppress(OSError, ValueError):
            if value := look():
                return value
        assert time.monotonic() < deadline
        time.sleep(0.03)


def is_gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_the_commands_of_a_session(run: Run, up: dict[str, Any]) -> None:
    until(lambda: "True" in run("get", "isvc").stdout)
    header, row = run("get", "isvc").stdout.splitlines()
    titles = "NAME URL READY PREV LATEST PREVROLLEDOUTREVISION LATESTREADYREVISION AGE"
    assert header.split() == titles.split()
    assert row.split()[:4] == ["tiny", "http://tiny.default.example.com", "True", "100"]
    assert json.loads(run("get", "isvc", "tiny", "-o", "json").stdout)["metadata"]["name"] == "tiny"
    assert run("get", "isvc", "tiny", "-o", "yaml").stdout.startswith("apiVersion: serving.kserve.io/v1beta1\n")
    assert run("get", "pods").stdout.splitlines()[1].split()[1:4] == ["1/1", "Running", "0"]
    assert "asked" in run("logs", "tiny").stdout
    assert "they have: kserve-container" in run("logs", "tiny", "-c", "agent").stderr
    assert "there are: tiny" in run("logs", "none").stderr
    assert "mooring-runtime-mms" in run("get", "runtimes").stdout
    assert "InferenceServiceReady" in run("events").stdout
    assert run("delete", "isvc", "tiny").stdout == 'inferenceservice.serving.kserve.io "tiny" deleted\n'
    assert run("get", "isvc").stdout == "No resources found in default namespace.\n"
    assert run("down").returncode == 0
    assert up["process"].wait(10) == 0
    assert is_gone(up["answer"]["pid"])


def test_apply_takes_a_file_once(run: Run, up: dict[str, Any], tmp_path: Path, isvc: Callable[..., str]) -> None:
    (tmp_path / "b.yaml").write_text(isvc("other") + "kind: [\n")
    result = run("apply", "-f", str(tmp_path / "b.yaml"))
    assert result.stdout == "inferenceservice.serving.kserve.io/other created\n"
    assert result.returncode == 1
    assert f"{tmp_path / 'b.yaml'}:" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_signal_leaves_a_process(number: signal.Signals, up: dict[str, Any]) -> None:
    os.kill(up["process"].pid, number)
    code = up["process"].wait(15)
    assert code == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    until(lambda: is_gone(up["answer"]["pid"]))


def test_a_second_up_in_the_same_folder_is_refused(run: Run, up: dict[str, Any], tmp_path: Path) -> None:
    result = run("up", str(tmp_path / "a.yaml"), "--port", "1")
    assert result.returncode == 1
    assert f"process {up['process'].pid}" in result.stderr
    assert "--data-dir" in result.stderr


def test_a_taken_port_is_named_with_its_owner_and_the_remedy(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("up", str(tmp_path / "a.yaml"), "--port", str(port))
    assert result.returncode == 1
    for word in (f"port {port} is taken", f"process {os.getpid()}", "--port"):
        assert word in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("get", "isvc"), "mooring local up FILE"),
        (("down",), "mooring local up FILE"),
        (("up", "/no/such/file.yaml"), "/no/such/file.yaml does not exist"),
        (("up", "/", "--config", "/no/such/config"), "/no/such/config"),
        (("up", "/", "--image", "nonsense"), "IMAGE=COMMAND"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_remedy(run: Run, words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.returncode != 0
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_configuration_names_the_key(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("ingress: {domian: x}\n")
    assert "ingress.domian" in run("up", str(tmp_path), "--config", str(tmp_path / "config.yaml")).stderr


def test_local_mode_needs_neither_kopf_nor_the_kubernetes_client() -> None:
    script = (
        "import sys; sys.modules.update(kopf=None, kubernetes=None, torch=None, moto=None, boto3=None);"
        "import mooring_operator.local.start, mooring_operator.local.demo, mooring_operator.cli"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
