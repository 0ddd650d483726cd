"""Which models are found lost, by servers that offer more and less to ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from mooring_agent.runtime_client import Readiness, RuntimeClient
from mooring_agent.runtime_watch import RuntimeWatch

if TYPE_CHECKING:
    from tests.agent.conftest import FakeRuntime


@pytest.fixture
async def client(runtime: FakeRuntime) -> AsyncIterator[RuntimeClient]:
    async with RuntimeClient(f"http://127.0.0.1:{runtime.port}", 5.0) as client:
        yield client


async def lost(client: RuntimeClient, loaded: set[str], *, knows_ready: bool = True, looks: int = 1) -> set[str]:
    found: set[str] = set()
    watch = RuntimeWatch(client, lambda: loaded, found.update, lambda: None)
    if not knows_ready:
        watch.learn(Readiness.NOT_FOUND)
    for _ in range(looks):
        await watch.look()
    return found


async def test_a_server_that_has_everything_lost_nothing(runtime: FakeRuntime, client: RuntimeClient) -> None:
    runtime.ready = {"a": "", "b": ""}
    assert await lost(client, {"a", "b"}, looks=20) == set()


@pytest.mark.parametrize("has_index", [True, False])
async def test_the_first_look_finds_every_lost_model(
    runtime: FakeRuntime, client: RuntimeClient, has_index: bool
) -> None:
    runtime.ready, runtime.has_index = {"a": ""}, has_index
    assert await lost(client, {"a", "b", "c"}) == {"b", "c"}


async def test_an_index_alone_is_believed(runtime: FakeRuntime, client: RuntimeClient) -> None:
    runtime.ready, runtime.has_ready = {"a": ""}, False
    assert await lost(client, {"a", "b"}, knows_ready=False) == {"b"}


async def test_a_model_that_is_ready_is_not_lost_whatever_the_index_says(
    runtime: FakeRuntime, client: RuntimeClient
) -> None:
    runtime.ready, runtime.unlisted = {"a": "", "b": ""}, {"a", "b"}
    assert await lost(client, {"a", "b"}, looks=20) == set()


async def test_a_server_without_both_lost_all_when_it_comes_back(runtime: FakeRuntime, client: RuntimeClient) -> None:
    runtime.has_index = runtime.has_ready = False
    assert await lost(client, {"a", "b"}, knows_ready=False) == {"a", "b"}
