"""Servers of several workers, as processes; what one worker does is told by connections that the kernel gave to it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import grpc
import httpx
import pytest
from tests.runtime.launched import Running, launched, left_alone, started

from mooring_runtime.grpc_api.messages import SERVICE, message
from mooring_runtime.transports import listen

PutModel = Callable[[str, str], Path]

LOCAL = ("--host", "127.0.0.1", "--http_port", "0", "--grpc_port", "0")

PROGRAM = """
import asyncio, os, time
from pathlib import Path
from kserve import Model, ModelRepository, ModelServer
from kserve.model_server import app
from starlette.middleware.cors import CORSMiddleware

FOLDER = Path(__file__).parent

class Piece(Model):
    def load(self):
        taken = FOLDER / f"{self.name}.taken"  # there is room for one worker's only
        if taken.exists() and taken.read_text() != str(os.getpid()):
            raise MemoryError("no room")
        if (FOLDER / f"{self.name}.scarce").exists():
            taken.write_text(str(os.getpid()))
        self.text = (FOLDER / f"{self.name}.txt").read_text()
        self.ready = True

    async def predict(self, payload, headers=None):
        while (FOLDER / "hold").exists():
            await asyncio.sleep(0.05)
        if not isinstance(payload, dict):
            return {"outputs": [{"name": "y", "shape": [1], "datatype": "INT64", "data": [1]}]}
        return {"predictions": [self.text, os.getpid()]}

class Pieces(ModelRepository):
    def load(self, name):
        model = Piece(name)
        model.load()
        self.update(model)

@app.get("/pid")
async def pid():
    return os.getpid()

@app.post("/fork")
async def fork():
    child = os.fork()
    if not child:
        time.sleep(600)
    return child

if __name__ == "__main__":
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    model = Piece("m")
    model.load()
    server = ModelServer(registered_models=Pieces())

    @app.post("/stop")
    async def stop():
        server.stop()

    server.start([model])
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    (tmp_path / "m.txt").write_text("one")
    return file


@contextmanager
def two(program: Path, *flags: str) -> Iterator[Running]:
    with launched(program, "--workers", "2", *flags) as server:
        yield server


def poll(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def workers_of(server: Running) -> set[int]:
    """The processes that the supervisor started."""
    return set(map(int, Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def clients(server: Running, count: int = 2) -> Iterator[dict[int, httpx.Client]]:
    """For each worker a client whose connection is with it."""
    found: dict[int, httpx.Client] = {}
    deadline = time.monotonic() + 20
    with ExitStack() as stack:
        while len(found) < count:
            assert time.monotonic() < deadline, found
            client = httpx.Client(base_url=server.http.base_url, timeout=20)
            pid = client.get("/pid").json()
            if pid in found:
                client.close()
            else:
                found[pid] = client
                stack.callback(client.close)
        yield found


def predict(client: httpx.Client, name: str = "m") -> httpx.Response:
    return client.post(f"/v1/models/{name}:predict", json={"instances": []})


def verb(client: httpx.Client, name: str, what: str) -> httpx.Response:
    return client.post(f"/v2/repository/models/{name}/{what}")


def index(client: httpx.Client) -> dict[str, str]:
    return {entry["name"]: entry["state"] for entry in client.post("/v2/repository/index", json={}).json()}


def test_every_worker_serves_with_the_program_s_middleware_and_shows_the_metrics_of_all(program: Path) -> None:
    with two(program, "--enable_docs_url", "true") as server, clients(server) as workers:
        assert set(workers) == workers_of(server)
        for pid, client in workers.items():
            for _ in range(3):
                answer = client.post("/v1/models/m:predict", json={"instances": []}, headers={"Origin": "http://x"})
                assert answer.json() == {"predictions": ["one", pid]}
                assert answer.headers["access-control-allow-origin"] == "*"
            assert "swagger" in client.get("/docs").text.lower()
        for client in workers.values():
            shown = client.get("/metrics").text
            assert 'mooring_runtime_requests_total{model_name="m",outcome="ok",protocol="v1"} 6.0' in shown
            assert 'request_predict_seconds_count{model_name="m"} 6.0' in shown
            assert set(re.findall(r'process_resident_memory_bytes{worker="(\d)"}', shown)) == {"0", "1"}
            (done,) = client.get("/v2/models/m/stats").json()["model_stats"]
            assert done["inference_stats"]["success"]["count"] == 6
        assert client.post("/stop").status_code == 200  # the program's own: all of the server ends
        poll(lambda: not is_running(server.pid))


def test_what_one_worker_is_told_all_do(program: Path, tmp_path: Path) -> None:
    (tmp_path / "n.txt").write_text("two")
    with two(program) as server, clients(server) as workers:
        one, other = workers.values()
        assert verb(one, "absent", "load").status_code == 422
        assert [index(client) for client in (one, other)] == [{"m": "READY", "absent": "UNAVAILABLE"}] * 2
        assert verb(other, "absent", "unload").status_code == 200
        assert [index(client) for client in (one, other)] == [{"m": "READY"}] * 2
        assert verb(one, "n", "load").status_code == 200
        assert [predict(client, "n").json()["predictions"][0] for client in (one, other)] == ["two", "two"]
        (tmp_path / "n.txt").write_text("three")
        assert verb(other, "n", "load").status_code == 200
        assert [predict(client, "n").json()["predictions"][0] for client in (one, other)] == ["three", "three"]
        assert verb(other, "n", "unload").status_code == 200
        assert [predict(client, "n").status_code for client in (one, other)] == [404, 404]
        assert verb(one, "n", "unload").status_code == 404
        assert one.post("/v2/logging", json={"log_info": False}).json()["log_info"] is False
        assert other.get("/v2/logging").json()["log_info"] is False


def test_both_protocols_have_one_port_and_one_set_of_models(program: Path, tmp_path: Path) -> None:
    (tmp_path / "n.txt").write_text("two")
    own_connection = (("grpc.use_local_subchannel_pool", 1),)

    def call(method: str, **fields: str) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", own_connection) as channel:
            send = channel.unary_unary(
                f"/{SERVICE}/{method}",
                request_serializer=message(f"{method}Request").SerializeToString,
                response_deserializer=message(f"{method}Response").FromString,
            )
            send(message(f"{method}Request")(**fields), timeout=20)

    with two(program) as server, clients(server) as workers:
        call("RepositoryModelLoad", model_name="n")
        assert [predict(client, "n").status_code for client in workers.values()] == [200, 200]
        call("RepositoryModelUnload", model_name="n")
        assert [predict(client, "n").status_code for client in workers.values()] == [404, 404]


def test_a_model_that_has_room_in_one_worker_only_is_served_by_none(program: Path, tmp_path: Path) -> None:
    (tmp_path / "n.txt").write_text("two")
    (tmp_path / "n.scarce").touch()
    with two(program) as server, clients(server) as workers:
        one, other = workers.values()
        answer = verb(one, "n", "load")
        assert answer.status_code == 422
        assert "could not be loaded in 1 of 2 workers" in answer.json()["error"]
        assert "no room" in answer.json()["error"]
        assert [predict(client, "n").status_code for client in (one, other)] == [503, 503]
        (tmp_path / "n.scarce").unlink()
        (tmp_path / "n.taken").unlink()
        assert verb(other, "n", "load").status_code == 200
        assert [predict(client, "n").status_code for client in (one, other)] == [200, 200]


class Load:
    """Clients that ask without a pause, each on connections of its own; what failed is kept with its worker."""

    def __init__(self, server: Running, threads: int = 4) -> None:
        self.url = str(server.http.base_url)
        self.answered: list[int] = []
        self.failed: list[int] = []
        """The worker that had answered on that connection before."""
        self.wrong: list[int] = []
        self.leave = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave.set()
        for thread in self._threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in self._threads)

    def _ask(self) -> None:
        while not self.leave.is_set():
            with httpx.Client(base_url=self.url, timeout=20) as client:
                worker = 0
                for _ in range(20):
                    try:
                        answer = predict(client)
                    except httpx.TransportError:
                        self.failed.append(worker)
                        break
                    if answer.status_code != 200:
                        self.wrong.append(answer.status_code)
                        break
                    worker = answer.json()["predictions"][1]
                    self.answered.append(worker)
                    if answer.headers.get("connection") == "close":
                        return


def test_a_worker_that_is_killed_under_load_loses_its_own_requests_only_and_is_replaced(
    program: Path, tmp_path: Path
) -> None:
    (tmp_path / "n.txt").write_text("two")
    with two(program) as server:
        assert verb(server.http, "n", "load").status_code == 200
        with clients(server) as workers:
            victim, survivor = workers
            forked = workers[victim].post("/fork").json()
        with Load(server) as load:
            poll(lambda: len(load.answered) > 100)
            os.kill(victim, signal.SIGKILL)
            poll(lambda: len(workers_of(server) - {victim}) == 2)
            (replacement,) = workers_of(server) - {victim, survivor}
            poll(lambda: replacement in load.answered)
        assert not is_running(forked)  # it would be given connections
        assert load.wrong == []
        assert set(load.failed) <= {victim, 0}  # 0: a connection that had waited to be accepted
        assert len(load.failed) <= 8
        assert server.http.get("/v2/health/ready").status_code == 200
        with clients(server) as workers:
            assert set(workers) == {survivor, replacement}
            assert [predict(client, "n").json()["predictions"][0] for client in workers.values()] == ["two", "two"]
            told = re.search(r'requests_total{model_name="m",.*"ok".*} (\d+)', server.http.get("/metrics").text)
            assert told
            assert len(load.answered) <= int(told[1]) <= len(load.answered) + len(load.failed)


def test_requests_in_workers_that_are_killed_break_off_and_the_next_are_answered(program: Path, tmp_path: Path) -> None:
    tensor = {"name": "x", "shape": [1], "datatype": "INT64", "contents": {"int64_contents": [1]}}
    request = message("ModelInferRequest")(model_name="m", inputs=[tensor])
    held = ('in_flight{model_name="m",protocol="v1"} 1.0', 'in_flight{model_name="m",protocol="grpc"} 1.0')
    with two(program) as server, grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        send = channel.unary_unary(f"/{SERVICE}/ModelInfer", request_serializer=type(request).SerializeToString)
        (tmp_path / "hold").touch()
        with ThreadPoolExecutor() as pool:
            over_rest, over_grpc = pool.submit(predict, server.http), send.future(request, timeout=60)
            poll(lambda: all(text in httpx.get(f"{server.http.base_url}/metrics").text for text in held))
            for worker in workers_of(server):
                os.kill(worker, signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                over_rest.result(20)
            assert over_grpc.exception(20).code() is grpc.StatusCode.UNAVAILABLE
        (tmp_path / "hold").unlink()
        assert send(request, timeout=60, wait_for_ready=True)
        assert predict(server.http).status_code == 200
        assert not any(text in server.http.get("/metrics").text for text in held)


LOG_CONFIG = """
version: 1
disable_existing_loggers: false
formatters: {mine: {format: "mine %(process)d %(message)s"}}
handlers:
  mine: {class: logging.FileHandler, filename: FILE, formatter: mine}
  stderr: {class: logging.StreamHandler}
loggers: {kserve: {handlers: [mine, stderr], level: INFO}}
"""


def test_a_worker_whose_loop_stands_still_is_replaced_by_one_that_logs_alike(program: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "log.yaml").write_text(LOG_CONFIG.replace("FILE", str(log)))
    flags = ("--worker_timeout", "3", "--log_config_file", str(tmp_path / "log.yaml"))
    with two(program, *flags) as server, clients(server) as workers:
        stuck, other = workers
        os.kill(stuck, signal.SIGSTOP)
        poll(lambda: len(workers_of(server) - {stuck, other}) == 1)
        assert predict(workers[other]).status_code == 200
        (replacement,) = workers_of(server) - {stuck, other}
        poll(lambda: f"mine {replacement} " in log.read_text())
    assert not is_running(stuck)


def test_sigterm_drains_all_workers_without_a_failed_request(program: Path) -> None:
    with two(program) as server, Load(server) as load:
        poll(lambda: len(set(load.answered)) == 2 and len(load.answered) > 50)
        workers = workers_of(server)
        (folder,) = {folder_of_metrics(pid) for pid in workers}
        os.kill(server.pid, signal.SIGTERM)
        poll(lambda: not any(map(is_running, (server.pid, *workers))))
        assert not folder.exists()
    assert (load.failed, load.wrong) == ([], [])


def test_nothing_is_left_of_a_server_whose_supervisor_is_killed(program: Path) -> None:
    with left_alone("run", str(program), "--workers", "2", *LOCAL) as (server, child):
        workers = workers_of(server)
        (folder,) = {folder_of_metrics(pid) for pid in workers}
        child.kill()
        poll(lambda: not any(map(is_running, workers)))
        poll(lambda: not folder.exists())
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{server.http.base_url}/pid")


def folder_of_metrics(pid: int) -> Path:
    environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return Path(dict(variable.split(b"=", 1) for variable in environ if variable)[b"PROMETHEUS_MULTIPROC_DIR"].decode())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import os, kserve\nos.environ.get('MOORING_WORKER') and os._exit(7)\n", "ended with status 7"),
        ("from kserve import Model\nModel.load = lambda self: None\n", "Nothing to serve. Model with name m"),
    ],
    ids=["it dies", "its model does not load"],
)
def test_a_server_whose_workers_cannot_start_ends_and_says_why(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "program.py"
    file.write_text(f"{text}from kserve import Model, ModelServer\nModelServer().start([Model('m')])\n")
    command = [sys.executable, "-m", "mooring_runtime", "run", str(file), "--workers", "2", *LOCAL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert told in done.stderr


def test_replacements_that_keep_failing_end_a_server_that_nobody_serves_any_more(program: Path, tmp_path: Path) -> None:
    with left_alone("run", str(program), "--workers", "2", *LOCAL) as (server, child):
        (tmp_path / "m.txt").unlink()  # what its model is made of
        for worker in workers_of(server):
            os.kill(worker, signal.SIGKILL)
        assert child.wait(timeout=90) == 1
    assert any("No worker serves" in line for line in server.log)


@pytest.mark.parametrize("flag", ["--http_port", "--grpc_port"])
def test_a_taken_port_is_told_before_any_worker_is_started(program: Path, flag: str) -> None:
    with listen("127.0.0.1", 0, shared=True) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "mooring_runtime", "run", str(program), "--workers", "2", *LOCAL, flag, port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert flag in done.stderr


def test_the_bundled_server_loads_its_models_in_the_workers_alone(tmp_path: Path, put_model: PutModel) -> None:
    put_model("m", "double")
    flags = ("--model_dir", str(tmp_path / "models"), "--multi_model", "true", "--device", "cpu", "--workers", "2")
    with started(*LOCAL, *flags) as server:
        assert "libtorch" not in Path(f"/proc/{server.pid}/maps").read_text()
        put_model("later", "triple")
        for _ in range(3):
            assert verb(server.http, "later", "load").status_code == 200
        put_model("stranger", "triple")  # there, and loaded by nobody
        victim, survivor = workers_of(server)
        os.kill(victim, signal.SIGKILL)
        poll(lambda: len(workers_of(server) - {victim}) == 2)
        os.kill(survivor, signal.SIGKILL)  # whoever answers from now on is a replacement
        body = {"inputs": [{"name": "INPUT__0", "shape": [1], "datatype": "FP32", "data": [2]}]}
        with httpx.Client(base_url=server.http.base_url, timeout=30) as client:
            poll(lambda: answers(client))
            assert client.post("/v2/models/later/versions/3/infer", json=body).json()["outputs"][0]["data"] == [6.0]
            assert index(client) == {"m": "READY", "later": "READY"}


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/v2/health/ready").status_code == 200
    except httpx.TransportError:  # nobody listens
        return False
