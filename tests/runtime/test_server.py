import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from mooring_runtime.errors import StartupError
from mooring_runtime.flags import parse
from mooring_runtime.settings import Settings
from mooring_runtime.transports import listen

PutModel = Callable[[str, str], Path]


@dataclass
class Process:
    child: subprocess.Popen[str]
    url: str
    log: list[str]

    def wait(self) -> int:
        return self.child.wait(timeout=30)


@contextmanager
def started(*arguments: str) -> Iterator[Process]:
    """A server process; its log tells the port that it chose."""
    common = ("--host", "127.0.0.1", "--http_port", "0", "--grpc_port", "0", "--device", "cpu")
    script, rest = (arguments[:2], arguments[2:]) if arguments[0] == "-m" else (arguments[:1], arguments[1:])
    child = subprocess.Popen([sys.executable, *script, *common, *rest], stderr=subprocess.PIPE, text=True)
    log: list[str] = []
    try:
        assert child.stderr is not None
        base = ""
        for line in child.stderr:
            log.append(line)
            if "Listening on http://" in line:
                base = line.split("Listening on ")[1].strip()
                break
        assert base, "".join(log)
        reader = threading.Thread(target=lambda: log.extend(child.stderr or ()), daemon=True)
        reader.start()
        yield Process(child, base, log)
        child.wait(timeout=30)
        reader.join(timeout=10)
    finally:
        child.kill()
        child.wait()


def poll(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


SLOW_MODEL = """
import sys, threading
from mooring_runtime import Model, ModelServer

class Slow(Model):
    def predict(self, payload, headers=None):
        threading.Event().wait(payload["instances"][0])
        return {"predictions": [1]}

ModelServer().start([Slow("slow")])
"""


def test_sigterm_drains_what_is_in_flight_and_refuses_the_rest(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(SLOW_MODEL)
    with started(str(tmp_path / "serve.py"), "--lame_duck_seconds", "0.3") as process, httpx.Client() as http:
        poll(lambda: http.get(f"{process.url}/v2/health/ready").status_code == 200)
        answers: list[int] = []

        def ask() -> None:
            body = {"instances": [1.5]}
            answers.append(httpx.post(f"{process.url}/v1/models/slow:predict", json=body, timeout=20).status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        poll(lambda: 'in_flight{model_name="slow",protocol="v1"} 1.0' in http.get(f"{process.url}/metrics").text)
        process.child.send_signal(signal.SIGTERM)
        poll(lambda: http.get(f"{process.url}/v2/health/ready").status_code == 503)
        assert http.get(f"{process.url}/v2/health/live").status_code == 200
        asking.join(20)
        assert answers == [200]
        assert process.wait() == 0
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{process.url}/v2/health/live")


def test_the_command_serves_a_folder_and_ends_on_ctrl_c(tmp_path: Path, put_model: PutModel) -> None:
    put_model("m", "double")
    folder = str(tmp_path / "models")
    arguments = ("-m", "mooring_runtime", "--model-dir", folder, "--unknown=1", "--enable_grpc", "false")
    with started(*arguments, "--lame_duck_seconds", "0") as process, httpx.Client() as http:
        poll(lambda: http.get(f"{process.url}/v2/models/m/ready").status_code == 200)
        process.child.send_signal(signal.SIGINT)
        assert process.wait() == 0


def test_a_single_model_that_cannot_be_loaded_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"junk")
    with started("-m", "mooring_runtime", "--model_dir", str(tmp_path)) as process:
        assert process.wait() == 1
    assert any("Nothing to serve. Model with name model could not be loaded" in line for line in process.log)


def test_a_gpu_that_is_asked_for_and_absent_ends_the_process_at_once(tmp_path: Path) -> None:
    with started("-m", "mooring_runtime", "--model_dir", str(tmp_path), "--device", "cuda:99") as process:
        assert process.wait() == 1
    assert any("--device cuda:99: " in line for line in process.log)


def test_a_process_with_a_hanging_model_still_ends(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(SLOW_MODEL)
    with started(str(tmp_path / "serve.py"), "--lame_duck_seconds", "0", "--grace_period", "1") as process:
        with httpx.Client() as http:
            poll(lambda: http.get(f"{process.url}/v2/health/ready").status_code == 200)

        def ask() -> None:
            with contextlib.suppress(httpx.TransportError):
                httpx.post(f"{process.url}/v1/models/slow:predict", json={"instances": [60]}, timeout=20)

        asking = threading.Thread(target=ask)
        asking.start()
        with httpx.Client() as http:
            poll(lambda: 'in_flight{model_name="slow",protocol="v1"} 1.0' in http.get(f"{process.url}/metrics").text)
        process.child.send_signal(signal.SIGTERM)
        process.wait()
        asking.join(10)


ECHO_MODEL = """
from mooring_runtime import Model, ModelServer

class Echo(Model):
    def predict(self, payload, headers=None):
        return {"predictions": payload["instances"]}

ModelServer().start([Echo("m")])
"""


def test_sigterm_under_load_loses_no_request_of_clients_that_keep_their_connections(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(ECHO_MODEL)
    answered: list[int] = []
    failed: list[str] = []

    def load(url: str, leave: threading.Event) -> None:
        """Ask without a pause until the server says that it drains, as a proxy that watches readiness does."""
        with httpx.Client(timeout=20) as http:
            while not leave.is_set():
                try:
                    answer = http.post(f"{url}/v1/models/m:predict", json={"instances": [1]})
                except httpx.TransportError as exc:
                    failed.append(repr(exc))
                    return
                answered.append(answer.status_code)
                if answer.headers.get("connection") == "close":
                    return

    with started(str(tmp_path / "serve.py"), "--lame_duck_seconds", "1") as process:
        with httpx.Client() as http:
            poll(lambda: http.get(f"{process.url}/v2/health/ready").status_code == 200)
        leave = threading.Event()
        clients = [threading.Thread(target=load, args=(process.url, leave)) for _ in range(4)]
        for client in clients:
            client.start()
        poll(lambda: len(answered) > 50)
        process.child.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(10)
        assert not any(client.is_alive() for client in clients)
        leave.set()
        assert process.wait() == 0
    assert failed == []
    assert set(answered) == {200}


MEETING_MODEL = """
import threading
from mooring_runtime import Model, ModelServer

class Meeting(Model):
    def __init__(self, name):
        super().__init__(name)
        self.both = threading.Barrier(2)

    def predict(self, payload, headers=None):
        return {"predictions": [self.both.wait(20)]}

ModelServer().start([Meeting("m")])
"""


def test_as_many_handlers_of_a_program_run_at_once_as_the_flag_says(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(MEETING_MODEL)
    arguments = (str(tmp_path / "serve.py"), "--concurrency", "2", "--lame_duck_seconds", "0")
    with started(*arguments) as process, httpx.Client() as http:
        poll(lambda: http.get(f"{process.url}/v2/health/ready").status_code == 200)
        met: list[int] = []

        def ask() -> None:
            answer = httpx.post(f"{process.url}/v1/models/m:predict", json={"instances": []}, timeout=30)
            met.extend(answer.json().get("predictions", []))

        asking = [threading.Thread(target=ask) for _ in range(2)]
        for client in asking:
            client.start()
        for client in asking:
            client.join(30)
        process.child.terminate()
    assert sorted(met) == [0, 1]


def test_a_taken_port_is_named() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"127.0.0.1:{port}.*--http_port"):
            listen("127.0.0.1", port)


def test_flags_are_taken_in_both_spellings_and_unknown_ones_left() -> None:
    settings, unknown = parse(
        ["--http-port", "1", "--grpc_port=2", "--model-dir=/m", "--enable_grpc", "no", "--mine=3"]
    )
    assert (settings.http_port, settings.grpc_port, settings.model_dir, settings.enable_grpc) == (
        1,
        2,
        Path("/m"),
        False,
    )
    assert unknown == ["--mine=3"]
    assert parse([])[0] == Settings()


@pytest.mark.parametrize("flags", [["--http_port", "x"], ["--workers", "0"], ["--enable_grpc", "maybe"]], ids=str)
def test_faulty_flags_end_with_usage(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(flags)
    assert caught.value.code == 2
    assert flags[0] in capsys.readouterr().err


def test_nothing_heavy_is_imported_before_the_server_listens() -> None:
    code = "import sys, mooring_runtime.cli; assert not {'torch', 'torchvision', 'kubernetes'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_unloading_a_model_gives_its_memory_back(tmp_path: Path, alexnet_weights: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    with started("-m", "mooring_runtime", "--model_dir", str(models), "--multi_model", "true") as server:
        (models / "alexnet").symlink_to(alexnet_weights)
        with httpx.Client(base_url=server.url, timeout=60) as http:
            poll(lambda: http.get("/v2/health/ready").status_code == 200)
            verb = "/v2/repository/models/alexnet/{}".format
            after_unload = []
            for _ in range(6):
                assert http.post(verb("load")).status_code == 200
                loaded = resident_bytes(server.child.pid)
                assert http.post(verb("unload")).status_code == 200
                after_unload.append(resident_bytes(server.child.pid))
            weights = (alexnet_weights / "model.safetensors").stat().st_size
            # The first loads bring torch's own memory, and the allocator keeps pages of each thread; then it is steady.
            assert loaded - after_unload[-1] > 0.8 * weights
            assert after_unload[-1] - after_unload[2] < 0.1 * weights
        server.child.terminate()
