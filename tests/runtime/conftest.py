"""Small real models, real servers on free loopback ports; torch is imported once a session, when first needed."""

import asyncio
import io
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from mooring_runtime.cli import folder_models
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.metrics import Metrics
from mooring_runtime.model import Model
from mooring_runtime.sdk.source import RegisteredModels
from mooring_runtime.server import Models, Running, running
from mooring_runtime.settings import Settings
from mooring_runtime.transports import Address

SETTINGS = Settings(host="127.0.0.1", http_port=0, grpc_port=0, device="cpu", lame_duck_s=0, grace_period_s=5)


def pytest_configure(config: pytest.Config) -> None:
    """TorchScript is deprecated, and still what people have."""
    config.addinivalue_line("filterwarnings", "ignore:.torch.jit:DeprecationWarning")


@dataclass(frozen=True)
class Server:
    """A running server and a client of it."""

    running: Running
    http: httpx.AsyncClient

    @property
    def address(self) -> Address:
        return self.running.address

    @property
    def grpc_target(self) -> str:
        return f"127.0.0.1:{self.address.grpc_port}"


Serve = Callable[..., AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def _client_of(server: Running) -> AsyncIterator[Server]:
    base_url = f"http://127.0.0.1:{server.address.http_port}"
    async with httpx.AsyncClient(base_url=base_url, timeout=30) as http:
        yield Server(server, http)


@pytest.fixture
def serve_folder(tmp_path: Path) -> Serve:
    """Serve `tmp_path / "models"` (made when absent), ready or not yet."""

    @asynccontextmanager
    async def serve(**changes: Any) -> AsyncIterator[Server]:
        settings = replace(SETTINGS, **{"model_dir": tmp_path / "models", "multi_model": True, **changes})
        settings.model_dir.mkdir(exist_ok=True)

        def models(threads: Threads, metrics: Metrics) -> Models:
            return folder_models(settings, threads, metrics)

        async with running(settings, models) as server, _client_of(server) as client:
            yield client

    return serve


@pytest.fixture
def serve_models() -> Serve:
    """Serve models of user code."""

    @asynccontextmanager
    async def serve(*user_models: Model, max_waiting: int = 256, **changes: Any) -> AsyncIterator[Server]:
        def models(threads: Threads, metrics: Metrics) -> Models:
            source = RegisteredModels(user_models, max_waiting, metrics)
            return Models(source, [model.name for model in user_models], must_load=True)

        async with running(replace(SETTINGS, **changes), models) as server, _client_of(server) as client:
            yield client

    return serve


@pytest.fixture
def until() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    """Poll a condition, with a deadline."""

    async def poll(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(20):
            while not await condition():  # noqa: ASYNC110 - the condition is another process's, or behind HTTP
                await asyncio.sleep(0.01)

    return poll


@pytest.fixture
def serve_ready(serve_models: Serve, until: Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]) -> Serve:
    """Serve models of user code, and wait until they are ready."""

    @asynccontextmanager
    async def serve(*user_models: Model, **changes: Any) -> AsyncIterator[Server]:
        async with serve_models(*user_models, **changes) as server:

            async def is_ready() -> bool:
                return await server.running.dataplane.is_ready()

            await until(is_ready)
            yield server

    return serve


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """TorchScript archives by name: what their forward does."""
    import torch

    folder = tmp_path_factory.mktemp("scripts")
    one = torch.ones(1)
    functions: dict[str, tuple[Callable[..., Any], tuple[torch.Tensor, ...]]] = {
        "double": (lambda x: x * 2, (one,)),
        "triple": (lambda x: x * 3, (one,)),
        "add": (lambda a, b: a + b, (one, one)),
        "pair": (lambda x: (x + 1, x.to(torch.int64)), (one,)),
        "bf16": (lambda x: x.to(torch.bfloat16) + 1, (one,)),
        "matmul": (lambda x: x @ torch.ones(2, 2), (torch.ones(1, 2),)),
        "share": (lambda x: x / x.sum(), (one,)),
    }
    for name, (function, example) in functions.items():
        torch.jit.save(torch.jit.trace(function, example), str(folder / f"{name}.pt"))  # type: ignore[no-untyped-call]
    return {name: folder / f"{name}.pt" for name in functions}


@pytest.fixture
def put_model(tmp_path: Path, scripts: dict[str, Path]) -> Callable[[str, str], Path]:
    """Put a TorchScript archive where `serve_folder` looks, as the model of that name."""

    def put(name: str, script: str) -> Path:
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        staged = folder / "model.pt.new"
        shutil.copy(scripts[script], staged)
        staged.replace(folder / "model.pt")
        return folder

    return put


@pytest.fixture(scope="session")
def alexnet_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with torchvision's AlexNet as safetensors, weights from a fixed seed."""
    import torch
    from safetensors.torch import save_file

    from mooring_runtime.torchvision_ops import declare_absent_operators

    declare_absent_operators()
    from torchvision import models

    torch.manual_seed(20)
    network = models.alexnet(weights=None).eval()
    folder = tmp_path_factory.mktemp("alexnet")
    save_file(network.state_dict(), folder / "model.safetensors")
    yield folder
    shutil.rmtree(folder)  # 244 MB


@pytest.fixture(scope="session")
def jpeg() -> Callable[[int, int], bytes]:
    """A noisy JPEG of a size, always the same."""

    def encode(width: int, height: int) -> bytes:
        pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG")
        return file.getvalue()

    return encode


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
