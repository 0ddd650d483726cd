"""The rule of docs/serving.md: when the server, and when a model, says that it is ready."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from mooring_runtime.errors import ModelLoadFailed, QueueFull
from mooring_runtime.metrics import Metrics
from mooring_runtime.model import Model
from mooring_runtime.registry.readiness import Readiness
from mooring_runtime.registry.repository import Repository
from mooring_runtime.registry.servable import Headers, ModelMetadata

Serve = Any
Until = Any


@dataclass
class Servable:
    """Says what a test tells it to."""

    says: Any = True

    async def is_ready(self) -> bool:
        if isinstance(self.says, asyncio.Event):
            await self.says.wait()
            return True
        if isinstance(self.says, Exception):
            raise self.says
        return bool(self.says)

    async def metadata(self) -> ModelMetadata:
        return ModelMetadata()

    async def infer(self, request: Any, headers: Headers) -> Any: ...

    async def predict(self, body: Any, headers: Headers) -> Any: ...

    async def explain(self, body: Any, headers: Headers) -> Any: ...

    async def close(self) -> None: ...


@dataclass
class Source:
    servables: dict[str, Servable] = field(default_factory=dict)
    versioned: bool = False

    async def open(self, name: str) -> Servable:
        if name not in self.servables:
            raise ModelLoadFailed("model.pt is corrupt.", "Upload it again.")
        return self.servables[name]


@asynccontextmanager
async def repository_of(**servables: Servable) -> AsyncIterator[Repository]:
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        yield Repository(Source(servables), tasks, Metrics(CollectorRegistry()))


async def states(readiness: Readiness) -> dict[str, tuple[str, str]]:
    return {entry.name: (entry.state.value, entry.reason) for entry in await readiness.index()}


async def test_a_strict_server_names_each_model_that_fails_and_why() -> None:
    async with repository_of(good=Servable()) as repository:
        readiness = Readiness(repository, strict=True)
        repository.expect(["good", "bad"])
        assert await readiness.why_not() == "It is loading models."
        await repository.load("good")
        with pytest.raises(ModelLoadFailed):
            await repository.load("bad")
        readiness.started = True
        why = await readiness.why_not()
        assert "bad: Model with name bad could not be loaded: model.pt is corrupt. Upload it again." in why
        assert "good" not in why
        await repository.unload("bad")  # it is not wanted any more
        assert await readiness.why_not() == ""
        readiness.draining.set()
        assert await readiness.why_not() == "It is shutting down."


async def test_a_server_whose_models_come_and_go_is_ready_though_one_fails() -> None:
    async with repository_of(good=Servable()) as repository:
        readiness = Readiness(repository, strict=False)
        repository.expect(["good", "bad"])
        await repository.load("good")
        with pytest.raises(ModelLoadFailed):
            await repository.load("bad")
        readiness.started = True
        assert await readiness.why_not() == ""
        assert {name: state for name, (state, _) in (await states(readiness)).items()} == {
            "good": "READY",
            "bad": "UNAVAILABLE",
        }


async def test_a_load_request_for_a_model_that_never_served_does_not_take_the_server_out() -> None:
    async with repository_of(good=Servable()) as repository:
        readiness = Readiness(repository, strict=True)
        await repository.load("good")
        readiness.started = True
        with pytest.raises(ModelLoadFailed):
            await repository.load("typo")
        assert await readiness.why_not() == ""


@pytest.mark.parametrize(
    ("says", "reason"),
    [(False, "itself"), (ZeroDivisionError("oh"), "ZeroDivisionError : oh"), (asyncio.Event(), "did not say within")],
    ids=["false", "raises", "hangs while idle"],
)
async def test_a_model_that_is_not_well_is_unavailable_everywhere(says: Any, reason: str) -> None:
    async with repository_of(m=Servable(says), other=Servable()) as repository:
        readiness = Readiness(repository, strict=True)
        await repository.load("m")
        await repository.load("other")
        readiness.started = True
        assert reason in await readiness.of_model("m", None)
        assert reason in await readiness.why_not()
        state, why = (await states(readiness))["m"]
        assert state == "UNAVAILABLE"
        assert reason in why
        assert [entry.name for entry in await readiness.index(ready_only=True)] == ["other"]


@pytest.mark.parametrize("busy", [asyncio.Event(), QueueFull("m", 1)], ids=["silent", "full"])
@pytest.mark.parametrize("before", [True, False])
async def test_what_a_busy_model_said_last_stands(before: bool, busy: Any) -> None:
    servable = Servable(before)
    async with repository_of(m=servable) as repository:
        readiness = Readiness(repository, strict=True)
        await repository.load("m")
        assert (await readiness.of_model("m", None) == "") is before
        servable.says = busy
        with repository.lease("m"):  # a request is in it
            assert (await readiness.of_model("m", None) == "") is before


class Loads(Model):
    def load(self) -> bool:
        if self.name == "bad":
            raise FileNotFoundError("weights.bin")
        self.ready = True
        return True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return {"predictions": [1]}


async def test_over_rest_and_grpc_a_server_with_one_failed_model_serves_the_other_and_is_not_ready(
    serve_models: Serve, until: Until
) -> None:
    async with serve_models(Loads("good"), Loads("bad")) as server:

        async def tells() -> bool:
            return "weights.bin" in (await server.http.get("/v2/health/ready")).text

        await until(tells)
        answer = await server.http.get("/v2/health/ready")
        assert answer.status_code == 503
        assert "bad: Model with name bad could not be loaded: FileNotFoundError : weights.bin" in answer.json()["error"]
        assert (await server.http.post("/v1/models/good:predict", json={"instances": []})).status_code == 200
        assert (await server.http.get("/v2/health/live")).status_code == 200
        async with grpc.aio.insecure_channel(server.grpc_target) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            told = [(await health.Check(health_pb2.HealthCheckRequest(service=name))).status for name in ("", "good")]
        assert told == [health_pb2.HealthCheckResponse.NOT_SERVING, health_pb2.HealthCheckResponse.SERVING]


async def test_a_model_whose_flag_went_down_is_not_ready_in_the_index_either(serve_ready: Serve) -> None:
    model = Loads("m")
    async with serve_ready(model) as server:
        model.ready = False
        (entry,) = (await server.http.post("/v2/repository/index")).json()
        assert entry["state"] == "UNAVAILABLE"
        assert (await server.http.post("/v2/repository/index", json={"ready": True})).json() == []
        for path in ("/v2/health/ready", "/v2/models/m/ready", "/v1/models/m"):
            assert (await server.http.get(path)).status_code == 503, path
        model.ready = True
        assert (await server.http.get("/v2/health/ready")).status_code == 200


class Slow(Model):
    """Has a `healthy` of its own, which must wait behind a handler that blocks the model's thread."""

    def __init__(self) -> None:
        super().__init__("slow")
        self.entered, self.may_end = threading.Event(), threading.Event()

    async def healthy(self) -> bool:
        return True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        self.entered.set()
        self.may_end.wait(20)
        return {"predictions": [1]}


async def test_a_model_that_hangs_leaves_health_and_index_answering(serve_ready: Serve) -> None:
    model = Slow()
    async with serve_ready(model, Loads("other")) as server:
        asking = asyncio.create_task(server.http.post("/v1/models/slow:predict", json={"instances": []}))
        await asyncio.to_thread(model.entered.wait, 20)
        assert (await server.http.get("/v2/health/ready")).status_code == 200
        assert (await server.http.get("/v2/models/slow/ready")).status_code == 200
        states = (await server.http.post("/v2/repository/index")).json()
        assert [entry["state"] for entry in states] == ["READY", "READY"]
        model.may_end.set()
        assert (await asking).status_code == 200


@pytest.mark.parametrize(("multi_model", "flag", "status"), [(True, None, 200), (False, None, 503), (True, True, 503)])
async def test_a_folder_of_models_is_strict_unless_the_agent_fills_it(
    serve_folder: Serve,
    put_model: Callable[[str, str], Path],
    until: Until,
    multi_model: bool,
    flag: bool | None,
    status: int,
) -> None:
    put_model("good", "double")
    (put_model("bad", "double") / "model.pt").write_bytes(b"junk")
    async with serve_folder(multi_model=multi_model, strict_readiness=flag) as server:

        async def is_over() -> bool:
            return "loading" not in (await server.http.get("/v2/health/ready")).text

        await until(is_over)
        assert (await server.http.get("/v2/health/ready")).status_code == status
        assert (await server.http.get("/v2/models/good/ready")).status_code == 200
