"""Agents are followed by one waiting request each."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from mooring_api import names
from mooring_api.agent_status import AgentStatus
from mooring_operator.agents import AgentFollowers, agent_url
from mooring_operator.core.observed import Key

KEY = Key("default", "svc")


def pod(port: int, *, uid: str = "p1", **changes: Any) -> dict[str, Any]:
    agent = {"name": "agent", "ports": [{"name": names.PORT_AGENT_NAME, "containerPort": port}]}
    return {
        "metadata": {"name": uid, "uid": uid} | changes.pop("metadata", {}),
        "spec": {"containers": [{"name": "kserve-container"}, agent]},
        "status": {"phase": "Running", "podIP": "127.0.0.1"} | changes,
    }


class FakeAgent:
    """Answers like an agent: at once when the revision differs, else when it changes."""

    def __init__(self) -> None:
        self.status = AgentStatus(revision=1, instance="one")
        self.changed = asyncio.Event()
        self.broken = False
        self.requests = 0

    def tell(self, status: AgentStatus) -> None:
        self.status = status
        self.changed.set()

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        if self.broken:
            return web.Response(status=500)
        if request.query.get("after") == str(self.status.revision):
            self.changed.clear()
            await self.changed.wait()
        return web.Response(text=self.status.model_dump_json(by_alias=True), content_type="application/json")


@asynccontextmanager
async def following() -> AsyncIterator[tuple[AgentFollowers, FakeAgent, BaseTestServer, list[Key]]]:
    agent, rung = FakeAgent(), list[Key]()
    app = web.Application()
    app.router.add_get(names.AGENT_STATUS_PATH, agent.answer)
    followers = AgentFollowers(rung.append)
    task = asyncio.create_task(followers.run())
    async with TestServer(app, host="127.0.0.1") as server:
        await asyncio.sleep(0)
        yield followers, agent, server, rung
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        agent.changed.set()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 plain state of the loop's own tasks
            await asyncio.sleep(0.005)


async def test_the_first_answer_and_every_change_ring_the_bell() -> None:
    async with following() as (followers, agent, server, rung):
        followers.follow(KEY, [pod(server.port or 0)])
        await until(lambda: "p1" in followers.reports(KEY))
        assert rung == [KEY]
        await until(lambda: agent.requests == 2)
        agent.tell(AgentStatus(revision=2, instance="one", config_digest="d"))
        await until(lambda: len(rung) == 2)
        status = followers.reports(KEY)["p1"].status
        assert status is not None
        assert status.config_digest == "d"


async def test_nothing_is_asked_while_nothing_changes() -> None:
    async with following() as (followers, agent, server, rung):
        followers.follow(KEY, [pod(server.port or 0)])
        await until(lambda: agent.requests == 2)
        followers.follow(KEY, [pod(server.port or 0)])
        await asyncio.sleep(0)
        assert (agent.requests, rung) == (2, [KEY])


async def test_an_agent_that_stops_answering_is_no_longer_believed() -> None:
    async with following() as (followers, agent, server, _):
        followers.follow(KEY, [pod(server.port or 0)])
        await until(lambda: agent.requests == 2)
        agent.broken = True
        agent.tell(agent.status.model_copy(update={"revision": 2}))
        await until(lambda: followers.reports(KEY)["p1"].error is not None)
        assert followers.reports(KEY)["p1"].status is None
        agent.broken = False
        await until(lambda: followers.reports(KEY)["p1"].status is not None)


async def test_a_pod_that_is_gone_is_no_longer_followed() -> None:
    async with following() as (followers, _, server, _rung):
        followers.follow(KEY, [pod(server.port or 0)])
        await until(lambda: "p1" in followers.reports(KEY))
        followers.follow(KEY, [pod(server.port or 0, uid="p2")])
        assert "p1" not in followers.reports(KEY)
        followers.clear()
        assert followers.reports(KEY) == {}


@pytest.mark.parametrize(
    ("body", "url"),
    [
        pytest.param(pod(9081), "http://127.0.0.1:9081/v1/agent/models", id="running"),
        pytest.param(pod(9081, podIP="fd00::1"), "http://[fd00::1]:9081/v1/agent/models", id="IPv6"),
        pytest.param(pod(9081, phase="Pending"), None, id="pending"),
        pytest.param(pod(9081, podIP=None), None, id="no address"),
        pytest.param(pod(9081, metadata={"deletionTimestamp": "t"}), None, id="going"),
        pytest.param(
            {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "x"}]}, "status": pod(1)["status"]},
            None,
            id="no agent",
        ),
    ],
)
def test_an_agent_is_where_its_pod_says(body: dict[str, Any], url: str | None) -> None:
    assert agent_url(body) == url
