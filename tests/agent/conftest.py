"""A fake model server, the agent run in-process against it, and real storage servers."""

import asyncio
import io
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import boto3
import pytest
from aiohttp import web
from gcp_storage_emulator.server import create_server
from moto.server import ThreadedMotoServer

from mooring_agent import log, main
from mooring_agent.plan import Backoff
from mooring_agent.settings import S3Settings, Settings, StorageSettings
from mooring_api import model_config
from mooring_api.agent_status import AgentModel, AgentStatus
from mooring_api.model_config import ModelConfig
from mooring_api.v1alpha1 import ModelSpec

Claim = Callable[[str, str], str]
"""Writes a model's weights below a path of the claim `data`; returns its URI."""
LogLines = Callable[[], list[dict[str, str]]]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class FakeRuntime:
    """A v2 model server: it records calls, and can be late, be restarted, refuse models, and lack endpoints."""

    def __init__(self, model_dir: Path) -> None:
        self.port = free_port()
        self.model_dir = model_dir
        self.calls: list[str] = []
        """`load NAME`, `unload NAME`, in order."""
        self.ready: dict[str, str] = {}
        """Loaded model -> content of its file `weights` when it was loaded."""
        self.refused: set[str] = set()
        """Contents of `weights` that cannot be loaded."""
        self.has_index = True
        self.has_ready = True
        self.warming: set[str] = set()
        """Models that are loaded but not ready yet."""
        self.unlisted: set[str] = set()
        """Models that the index does not know of."""
        self.gate: asyncio.Event | None = None
        """Holds load calls while it is not set."""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen, with no model loaded."""
        app = web.Application()
        app.router.add_post("/v2/repository/models/{name}/load", self._load)
        app.router.add_post("/v2/repository/models/{name}/unload", self._unload)
        app.router.add_post("/v2/repository/index", self._index)
        app.router.add_get("/v2/models/{name}/ready", self._ready)
        app.router.add_get("/v2/health/ready", self._health)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def stop(self) -> None:
        """Stop listening and lose every model, as a container that ends."""
        self.ready.clear()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def loads(self, name: str) -> int:
        """How often `name` was asked to be loaded."""
        return self.calls.count(f"load {name}")

    async def _load(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        assert await request.json() == {}
        self.calls.append(f"load {name}")
        if self.gate is not None:
            await self.gate.wait()
        weights = (self.model_dir / name / "weights").read_text()
        if weights in self.refused:
            return web.json_response({"error": f"cannot read {weights}"}, status=503)
        self.ready[name] = weights
        return web.json_response({"name": name, "load": True})

    async def _unload(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.calls.append(f"unload {name}")
        if self.ready.pop(name, None) is None:
            return web.json_response({"error": f"Model with name {name} does not exist."}, status=404)
        return web.json_response({"name": name, "unload": True})

    async def _index(self, _request: web.Request) -> web.Response:
        if not self.has_index:
            return web.json_response({"error": "no such route"}, status=404)
        return web.json_response([{"name": name, "state": "READY"} for name in self.ready if name not in self.unlisted])

    async def _ready(self, request: web.Request) -> web.Response:
        if request.match_info["name"] in self.warming:
            return web.Response(status=503)
        is_ready = self.has_ready and request.match_info["name"] in self.ready
        return web.Response(status=200 if is_ready else 404)

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response(status=200)


@dataclass
class S3Server:
    """A real S3 server, filled by the test."""

    endpoint: str
    client: Any

    def put(self, bucket: str, files: dict[str, bytes | str]) -> None:
        """Make `bucket` and its objects."""
        self.client.create_bucket(Bucket=bucket)
        for key, body in files.items():
            self.client.put_object(Bucket=bucket, Key=key, Body=body)

    @property
    def settings(self) -> S3Settings:
        """As an agent in the pod would have them."""
        return S3Settings(
            endpoint=self.endpoint, region="us-east-1", access_key="test", secret_key="test", addressing="path"
        )


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """One S3 server for the session; each test uses a bucket of its own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    yield S3Server(endpoint, client)
    server.stop()


class ConfigFolder:
    """A mounted ConfigMap: files behind a `..data` link that is swapped by rename, as kubelet does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = 0

    def write(self, text: str) -> None:
        """Replace models.json atomically."""
        self._count += 1
        version = self.path / f"..v{self._count}"
        version.mkdir(parents=True)
        (version / "models.json").write_text(text)
        link = self.path / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self.path / "..data")
        visible = self.path / "models.json"
        if not visible.is_symlink():
            visible.symlink_to("..data/models.json")

    def want(self, models: dict[str, str], memory: str = "1Mi") -> str:
        """Write a list of name -> storage URI; returns its digest."""
        entries = [
            ModelConfig(model_name=name, model_spec=ModelSpec(storage_uri=uri, framework="custom", memory=memory))
            for name, uri in models.items()
        ]
        text = model_config.dumps(entries)
        self.write(text)
        return model_config.digest(text)


@dataclass
class Agent:
    """One agent with its pod's volumes and its model server."""

    root: Path
    runtime: FakeRuntime
    config: ConfigFolder
    storage: StorageSettings
    port: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def model_dir(self) -> Path:
        """The shared model volume."""
        return self.root / "models"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Agent"]:
        """The agent's whole process but for its signals."""
        self.port = free_port()
        options: dict[str, Any] = {"backoff": Backoff(0.05, 0.2), "config_poll_s": 60.0, **self.options}
        settings = Settings(
            host="127.0.0.1",
            port=self.port,
            component_port=self.runtime.port,
            config_dir=self.config.path,
            model_dir=self.model_dir,
            storage=self.storage,
            **options,
        )
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(main.run(settings, stop))
            try:
                await self._listens()
                yield self
            finally:
                stop.set()

    async def _listens(self) -> None:
        deadline = monotonic() + 10
        while True:
            try:
                await self.get("/healthz")
            except aiohttp.ClientConnectorError:
                assert monotonic() < deadline, "the agent never listened"
                await asyncio.sleep(0.005)
            else:
                return

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body of one of the agent's endpoints."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.port}{path}") as answer,
        ):
            return answer.status, await answer.text()

    async def status(self, query: str = "") -> AgentStatus:
        """The status document."""
        code, text = await self.get(f"/v1/agent/models{query}")
        assert code == 200, text
        return AgentStatus.model_validate_json(text)

    async def until(self, is_met: Callable[[AgentStatus], bool], timeout_s: float = 10.0) -> AgentStatus:
        """The first status that meets the condition, followed by long polls."""
        deadline = monotonic() + timeout_s
        query = ""
        while True:
            status = await self.status(query)
            if is_met(status):
                return status
            assert monotonic() < deadline, f"never met; last: {status.model_dump_json(indent=1)}"
            query = f"?after={status.revision}&timeout_s=0.2"

    async def loaded(self, *names: str, timeout_s: float = 10.0) -> AgentStatus:
        """Wait until exactly these models are there and loaded in the wanted version."""
        return await self.until(
            lambda status: (
                [model.name for model in status.models] == sorted(names) and all(map(is_loaded, status.models))
            ),
            timeout_s,
        )


def is_loaded(model: AgentModel) -> bool:
    """Whether the wanted version serves."""
    return model.state == "Loaded" and model.loaded_id == model.wanted_id


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[FakeRuntime]:
    """A model server that listens."""
    server = FakeRuntime(tmp_path / "models")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def agent(tmp_path: Path, runtime: FakeRuntime) -> Agent:
    """An agent that is not running yet, with claims under `claims/`."""
    (tmp_path / "models").mkdir()
    storage = StorageSettings(pvc_dir=tmp_path / "claims")
    return Agent(tmp_path, runtime, ConfigFolder(tmp_path / "config"), storage)


@pytest.fixture
def claim(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a model's `weights` into the claim `data` and get its URI: storage without a server."""

    def write(path: str, weights: str) -> str:
        folder = tmp_path / "claims" / "data" / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weights").write_text(weights)
        return f"pvc://data/{path}"

    return write


@pytest.fixture
async def eventually() -> Callable[[Callable[[], bool]], Any]:
    """Wait until a condition holds."""

    async def wait(is_met: Callable[[], bool], timeout_s: float = 10.0) -> None:
        deadline = monotonic() + timeout_s
        while not is_met():
            assert monotonic() < deadline, "the condition never held"
            await asyncio.sleep(0.005)

    return wait


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, str]]]]:
    """The JSON log lines so far."""
    root, stream = logging.getLogger(), io.StringIO()
    before = root.handlers[:]
    log.configure(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before


class SlowHttp:
    """A server that sends the beginning of a file, and the rest when it is released."""

    def __init__(self, url: str, gate: asyncio.Event) -> None:
        self.url = url
        self._gate = gate

    def release(self) -> None:
        """Send the rest."""
        self._gate.set()


@pytest.fixture
async def slow_http() -> AsyncIterator[SlowHttp]:
    """Answers every path with 2 MiB, of which the second half waits."""
    gate = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(2 << 20)})
        await response.prepare(request)
        await response.write(b"x" * (1 << 20))
        await gate.wait()
        await response.write(b"x" * (1 << 20))
        return response

    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield SlowHttp(f"http://127.0.0.1:{runner.addresses[0][1]}", gate)
    gate.set()
    await runner.cleanup()


@pytest.fixture(scope="session")
def gcs_url() -> Iterator[str]:
    """One Google Cloud Storage emulator for the session; each test uses a bucket of its own."""
    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


class FileServer:
    """An HTTP server with answers per path, which records the requests' headers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    def put(self, path: str, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> str:
        """Answer `path`; returns its URL."""
        self.answers[path] = (status, {"Content-Length": str(len(body)), **(headers or {})}, body)
        return self.url + path


@pytest.fixture
def files() -> Iterator[FileServer]:
    """A blocking HTTP server in a thread, so that blocking clients can be called from the test."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            file_server.requests.append((self.path, dict(self.headers.items())))
            status, headers, body = file_server.answers.get(path, (404, {"Content-Length": "0"}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    file_server = FileServer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield file_server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for providers that fetch many files at once."""
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes]]:
    """Every file below a folder by relative path."""
    return lambda root: {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
