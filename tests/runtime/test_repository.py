import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mooring_api.v2 import RepositoryState
from mooring_runtime import InferRequest, InferResponse
from mooring_runtime.errors import ModelLoadFailed, ModelNotFound, ModelNotReady
from mooring_runtime.metrics import Metrics
from mooring_runtime.registry.repository import Repository
from mooring_runtime.registry.servable import Headers, ModelMetadata, Servable


class Numbered:
    """A servable that knows whether it was closed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = False

    async def is_ready(self) -> bool:
        return not self.closed

    async def metadata(self) -> ModelMetadata:
        return ModelMetadata()

    async def infer(self, request: InferRequest, headers: Headers) -> tuple[InferResponse, Headers]:
        return InferResponse(None, "", []), {}

    async def predict(self, body: Any, headers: Headers) -> tuple[Any, Headers]:
        return self.number, {}

    async def explain(self, body: Any, headers: Headers) -> tuple[Any, Headers]:
        return self.number, {}

    async def close(self) -> None:
        self.closed = True


class Source:
    """Opens servables, one after the other, when its gate is open; fails as told."""

    versioned = True

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.opened: list[Numbered] = []
        self.error: Exception | None = None

    async def open(self, name: str) -> Servable:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.opened.append(Numbered(len(self.opened) + 1))
        return self.opened[-1]


@asynccontextmanager
async def repository_of(source: Source) -> AsyncIterator[Repository]:
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        repository = Repository(source, tasks, Metrics(CollectorRegistry()))
        yield repository
        await repository.close()


def states(repository: Repository) -> list[tuple[str, str | None, str]]:
    return [(entry.name, entry.version, entry.state) for entry in repository.index()]


async def test_a_model_is_loading_then_ready_then_gone() -> None:
    source = Source()
    source.gate.clear()
    async with repository_of(source) as repository:
        loading = asyncio.create_task(repository.load("m"))
        await asyncio.sleep(0.01)
        assert states(repository) == [("m", None, "LOADING")]
        with pytest.raises(ModelNotReady, match="loading"), repository.lease("m"):
            pass
        source.gate.set()
        await loading
        assert states(repository) == [("m", "1", "READY")]
        await repository.unload("m")
        assert states(repository) == []
        assert source.opened[0].closed
        with pytest.raises(ModelNotFound), repository.lease("m"):
            pass
        with pytest.raises(ModelNotFound):
            await repository.unload("m")


async def test_the_old_version_serves_until_the_new_one_is_there_and_closes_after_its_last_request() -> None:
    source = Source()
    async with repository_of(source) as repository:
        await repository.load("m")
        source.gate.clear()
        loading = asyncio.create_task(repository.load("m"))
        await asyncio.sleep(0.01)
        with repository.lease("m") as old:
            assert old.version == "1"
            source.gate.set()
            await loading
            with repository.lease("m", "2") as new:
                assert new.version == "2"
            await asyncio.sleep(0.01)
            assert [servable.closed for servable in source.opened] == [False, False]
        await asyncio.sleep(0.01)
        assert [servable.closed for servable in source.opened] == [True, False]
        with pytest.raises(ModelNotFound, match="Version 1"), repository.lease("m", "1"):
            pass


async def test_unload_waits_for_what_is_in_flight_and_refuses_the_rest() -> None:
    source = Source()
    async with repository_of(source) as repository:
        await repository.load("m")
        with repository.lease("m"):
            unloading = asyncio.create_task(repository.unload("m"))
            await asyncio.sleep(0.01)
            assert states(repository) == [("m", None, "UNLOADING")]
            with pytest.raises(ModelNotReady, match="unloading"), repository.lease("m"):
                pass
            assert not source.opened[0].closed
        await unloading
        assert source.opened[0].closed


async def test_a_load_goes_on_when_its_client_hangs_up() -> None:
    source = Source()
    source.gate.clear()
    async with repository_of(source) as repository:
        loading = asyncio.create_task(repository.load("m"))
        await asyncio.sleep(0.01)
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
        source.gate.set()
        async with asyncio.timeout(10):
            while states(repository) != [("m", "1", "READY")]:  # noqa: ASYNC110 - there is nothing to await
                await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            ModelLoadFailed("model.pt is corrupt.", "Upload it again."),
            "m could not be loaded: model.pt is corrupt. Up",
        ),
        (ValueError("boom"), "m could not be loaded: ValueError : boom"),
    ],
    ids=["told", "unexpected"],
)
async def test_a_failed_load_is_kept_as_a_reason_until_a_load_succeeds(error: Exception, text: str) -> None:
    source = Source()
    source.error = error
    async with repository_of(source) as repository:
        with pytest.raises(ModelLoadFailed, match=text):
            await repository.load("m")
        (entry,) = repository.index()
        assert entry.state is RepositoryState.UNAVAILABLE
        assert text in entry.reason
        source.error = None
        await repository.load("m")
        assert states(repository) == [("m", "1", "READY")]
        source.error = error
        with pytest.raises(ModelLoadFailed):
            await repository.load("m")
        (entry,) = repository.index()
        assert (entry.state, entry.version) == (RepositoryState.READY, "1")
        assert text in entry.reason


async def test_an_expected_model_is_not_ready_until_it_is_loaded() -> None:
    source = Source()
    async with repository_of(source) as repository:
        repository.expect(["m", "absent"])
        with pytest.raises(ModelNotReady, match="waits to be loaded"), repository.lease("m"):
            pass
        await repository.load("m")
        repository.expect(["m"])
        with repository.lease("m"):
            pass
        source.error = ModelNotFound("absent")
        with pytest.raises(ModelNotFound):
            await repository.load("absent")
        with pytest.raises(ModelNotFound), repository.lease("absent"):
            pass


async def test_a_load_is_counted_along_with_other_processes() -> None:
    async with repository_of(Source()) as repository:
        repository.expect(["m"], {"m": 3})
        assert await repository.load("m") == 3
        assert await repository.load("m") == 4
        assert await repository.load("m", 7) == 7
        assert states(repository) == [("m", "7", "READY")]


async def test_an_unknown_model_leaves_no_trace() -> None:
    source = Source()
    source.error = ModelNotFound("m")
    async with repository_of(source) as repository:
        with pytest.raises(ModelNotFound):
            await repository.load("m")
        assert states(repository) == []


async def test_loads_and_unloads_of_one_model_take_turns() -> None:
    source = Source()
    async with repository_of(source) as repository:
        await repository.load("m")
        calls = [repository.load("m"), repository.unload("m"), repository.load("m"), repository.load("m")]
        assert await asyncio.gather(*calls) == [2, None, 3, 4]
        ((name, _, state),) = states(repository)
        assert (name, state) == ("m", "READY")
        async with asyncio.timeout(10):
            while [servable.closed for servable in source.opened].count(False) != 1:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.001)
        assert not source.opened[-1].closed
