"""A running local mode in this process, with a tiny server where a model server would be."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest

from mooring_operator.local.client import Client, Failed
from mooring_operator.local.containers import Backoff
from mooring_operator.local.images import Images
from mooring_operator.local.up import Local, Options

PATIENCE_S = 20.0
TINY = """
import http.server, json, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hung = False
    def do_GET(self):
        if self.path == "/hang":
            Handler.hung = True
        if self.path == "/alive" and Handler.hung:
            time.sleep(60)
        if self.path == "/stream":
            self.send_response(200); self.send_header("Transfer-Encoding", "chunked"); self.end_headers()
            self.wfile.write(b"5\\r\\nfirst\\r\\n"); self.wfile.flush()
            Handler.release.wait(10)
            self.wfile.write(b"4\\r\\nlast\\r\\n0\\r\\n\\r\\n")
            return
        if self.path == "/slow":
            time.sleep(1)
        if self.path == "/release":
            Handler.release.set()
        self.answer({"pid": os.getpid(), "path": self.path, "word": os.environ.get("WORD"), "argv": sys.argv[1:],
                     "headers": dict(self.headers)})
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({"length": len(body)})
    def answer(self, value):
        data = json.dumps(value).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(data))); self.end_headers()
        self.wfile.write(data)
    def log_message(self, *args):
        print("asked", self.path, flush=True)
import threading
Handler.release = threading.Event()
http.server.ThreadingHTTPServer.allow_reuse_address = True
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Starter(Protocol):
    """Starts local mode with these files and images; a callable fixture."""

    async def __call__(
        self, files: Mapping[str, str], images: Mapping[str, str] | None = None, **environ: str
    ) -> "Running": ...


@dataclass
class Running:
    """A local mode and its client side."""

    folder: Path
    data_dir: Path
    port: int
    local: Local
    session: aiohttp.ClientSession
    lines: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, **query: str) -> Any:
        return await Client(self.data_dir).ask(method, path, query)

    async def answers(self) -> bool:
        try:
            await self.ask("GET", "/events")
        except Failed:
            return False
        return True

    async def items(self, kind: str) -> list[Any]:
        return list((await self.ask("GET", f"/objects/{kind}"))["items"])

    async def item(self, kind: str, name: str) -> Any:
        return next((body for body in await self.items(kind) if body["metadata"]["name"] == name), None)

    async def condition(self, kind: str, name: str, condition: str = "Ready") -> dict[str, str]:
        body = await self.item(kind, name) or {}
        conditions = (body.get("status") or {}).get("conditions") or ()
        return next((c for c in conditions if c["type"] == condition), {})

    async def ready(self, name: str, kind: str = "InferenceService") -> None:
        async def holds() -> bool:
            return (await self.condition(kind, name)).get("status") == "True"

        await self.until(holds)

    async def until(self, holds: Callable[[], Awaitable[Any]], patience_s: float = PATIENCE_S) -> Any:
        """The first true value of `holds`; fails with what was said when it takes too long."""
        deadline = asyncio.get_running_loop().time() + patience_s
        while not (value := await holds()):
            assert asyncio.get_running_loop().time() < deadline, "\n".join(self.lines)
            await asyncio.sleep(0.03)
        return value

    async def fetch(self, path: str, host: str | None = None, data: bytes | None = None) -> tuple[int, Any]:
        headers = {"Host": host} if host else {}
        method = "GET" if data is None else "POST"
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, url, headers=headers, data=data) as answer:
            return answer.status, await answer.json(content_type=None)


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """A command for `--image`: a server that answers with what it knows of itself."""
    script = tmp_path / "tiny.py"
    script.write_text(TINY)
    return f"{sys.executable} -S {script}"


@pytest.fixture
def isvc() -> Callable[..., str]:
    """The manifest of an InferenceService with a custom container."""

    def build(name: str = "tiny", image: str = "tiny:v1", word: str = "", extra: str = "", container: str = "") -> str:
        env = f"\n        env: [{{name: WORD, value: {word}}}]" if word else ""
        return (
            "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\n"
            f"metadata: {{name: {name}}}\n"
            f"spec:\n  predictor:\n    terminationGracePeriodSeconds: 5\n{extra}"
            f"    containers:\n      - name: kserve-container\n        image: {image}{env}\n{container}---\n"
        )

    return build


@pytest.fixture
async def start(tmp_path: Path, tiny: str) -> AsyncIterator[Starter]:
    """Starts local modes; at the end they stop, and everything they started with them."""
    running: list[tuple[Running, asyncio.Task[None]]] = []

    async def begin(files: Mapping[str, str], images: Mapping[str, str] | None = None, **environ: str) -> Running:
        folder, data_dir = tmp_path / "files", tmp_path / "data"
        folder.mkdir()
        data_dir.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        listener = socket.create_server(("127.0.0.1", 0))
        lines: list[str] = []
        options = Options(
            files=(folder,),
            data_dir=data_dir,
            work_dir=tmp_path,
            environ={**os.environ, **environ},
            listener=listener,
            images=Images({"tiny": tiny, **(images or {})}),
            backoff=Backoff(first_s=0.05, longest_s=0.2, stable_s=5.0),
        )
        local = Local(options, lines.append)
        found = Running(folder, data_dir, listener.getsockname()[1], local, aiohttp.ClientSession(), lines)
        running.append((found, asyncio.create_task(local.run())))
        await found.until(found.answers)
        return found

    yield begin
    for found, task in running:
        found.local.stop()
        await task
        await found.session.close()
