"""A lean asynchronous Kubernetes client: the load comes from it, so it must cost little."""

import asyncio
import base64
import json
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Api:
    """The API server, over one connection pool."""

    http: aiohttp.ClientSession

    async def get(self, path: str) -> Manifest:
        """An object or a list."""
        async with self.http.get(path) as answer:
            answer.raise_for_status()
            found: Manifest = await answer.json()
            return found

    async def text(self, path: str) -> str:
        """A document that is not JSON, such as the metrics."""
        async with self.http.get(path) as answer:
            answer.raise_for_status()
            return await answer.text()

    async def create(self, path: str, manifest: Manifest) -> Manifest:
        """Create an object in the collection at `path`; one that exists already is an error."""
        async with self.http.post(path, json=manifest) as answer:
            made: Manifest = await answer.json()
            if answer.status >= 300:
                raise RuntimeError(f"create in {path}: {made.get('message')}")
            return made

    async def create_all(self, path: str, manifests: Iterable[Manifest], at_once: int = 16) -> None:
        """Create many, `at_once` requests in flight."""
        gate = asyncio.Semaphore(at_once)

        async def one(manifest: Manifest) -> None:
            async with gate:
                await self.create(path, manifest)

        async with asyncio.TaskGroup() as group:
            for manifest in manifests:
                group.create_task(one(manifest))

    async def delete(self, path: str) -> None:
        """Delete an object or a whole collection; nothing to delete is fine."""
        async with self.http.delete(path) as answer:
            if answer.status not in (200, 202, 404):
                answer.raise_for_status()


@dataclass
class Watch:
    """What a watch has shown, each change with the time it arrived."""

    objects: dict[str, Manifest] = field(default_factory=dict)
    """By name, as they are now."""
    writes: int = 0
    """Changes seen since the start of the watch."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, event: Manifest) -> None:
        """Remember one watch event."""
        name = event["object"]["metadata"]["name"]
        if event["type"] == "DELETED":
            self.objects.pop(name, None)
        else:
            self.objects[name] = event["object"]
        self.writes += 1
        self._changed.set()

    async def until(self, reached: Callable[[Mapping[str, Manifest]], bool], timeout_s: float = 120) -> float:
        """Wait until the objects are as wanted; the time (seconds since the epoch) of the event that made it so."""
        async with asyncio.timeout(timeout_s):
            while not reached(self.objects):
                self._changed.clear()
                await self._changed.wait()
        return time.time()


@asynccontextmanager
async def watching(api: Api, path: str) -> AsyncIterator[Watch]:
    """Watch a collection during the block."""
    first = await api.get(path)
    watch = Watch({item["metadata"]["name"]: item for item in first["items"]})
    where = f"{path}{'&' if '?' in path else '?'}watch=1&resourceVersion={first['metadata']['resourceVersion']}"

    async def follow() -> None:
        async with api.http.get(where, timeout=aiohttp.ClientTimeout(total=None)) as stream:
            async for line in _lines(stream.content):
                watch.take(json.loads(line))

    task = asyncio.create_task(follow())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in content.iter_any():  # readline() refuses lines over 64 KiB; a ConfigMap of 500 models is longer
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line


def trusted_server(environ: Mapping[str, str]) -> tuple[str, ssl.SSLContext]:
    """Address of the current kubectl context's API server, and TLS with the context's client certificate."""
    command = ["kubectl", "config", "view", "--raw", "--minify", "-o", "json"]
    config = json.loads(subprocess.run(command, env=dict(environ), check=True, capture_output=True).stdout)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.TemporaryDirectory() as folder:  # the ssl module reads certificates from files alone
        pem = Path(folder) / "client.pem"
        pem.touch(mode=0o600)
        parts = ("client-certificate-data", "client-key-data")
        pem.write_bytes(b"\n".join(base64.b64decode(user[part]) for part in parts))
        trust.load_cert_chain(pem)
    return cluster["server"], trust


@asynccontextmanager
async def connect(server: str, trust: ssl.SSLContext) -> AsyncIterator[Api]:
    """The API server, without a limit of connections: a watch holds one."""
    connector = aiohttp.TCPConnector(ssl=trust, limit=0)
    async with aiohttp.ClientSession(base_url=server, connector=connector) as http:
        yield Api(http)
