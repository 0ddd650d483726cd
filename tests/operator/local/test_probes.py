"""Probes ask real servers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from mooring_operator.local.probes import Probe, watch


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server that is well at /ok, and at /kubelet only for kubelet's user agent with the header X: y."""

    async def ok(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def kubelet(request: web.Request) -> web.Response:
        known = request.headers["User-Agent"].startswith("kube-probe/") and request.headers.get("X") == "y"
        return web.Response(status=204 if known else 400)

    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async def binary(request: web.Request) -> web.Response:
        return web.Response(body=b"\xff\xfe", content_type="text/plain")

    app = web.Application()
    app.add_routes(
        [web.get("/ok", ok), web.get("/kubelet", kubelet), web.get("/slow", slow), web.get("/binary", binary)]
    )
    async with TestServer(app) as server:
        assert server.port is not None
        yield server.port


@pytest.mark.parametrize(
    ("manifest", "well"),
    [
        ({"httpGet": {"path": "/ok", "port": "http"}}, True),
        ({"httpGet": {"path": "kubelet", "port": 80, "httpHeaders": [{"name": "X", "value": "y"}]}}, True),
        ({"httpGet": {"path": "/none", "port": 80}}, False),
        ({"httpGet": {"path": "/slow", "port": 80}, "timeoutSeconds": 0.2}, False),
        ({"httpGet": {"path": "/ok", "port": 80, "httpHeaders": [{"name": "X", "value": "a\nb"}]}}, False),
        ({"httpGet": {"path": "/binary", "port": 80}}, True),
        ({"tcpSocket": {"port": 80}}, True),
        ({"exec": {"command": ["true"]}}, True),
        ({"exec": {"command": ["false"]}}, False),
        ({"exec": {"command": ["/no/such/command"]}}, False),
    ],
)
async def test_attempts(port: int, manifest: dict[str, Any], well: bool) -> None:
    probe = Probe.parse(manifest, lambda named: port)
    async with aiohttp.ClientSession() as session:
        assert (await probe.attempt(session, {"PATH": "/usr/bin:/bin"}) is None) == well


async def test_nobody_listens(unused_tcp_port: int) -> None:
    probe = Probe.parse({"tcpSocket": {"port": 1}}, lambda named: unused_tcp_port)
    async with aiohttp.ClientSession() as session:
        assert await probe.attempt(session, {}) is not None


@pytest.mark.parametrize(
    ("answers", "verdicts"),
    [
        pytest.param("ok ok ok", [True], id="well at once, told once"),
        pytest.param("no no ok", [True], id="late"),
        pytest.param("ok no no ok", [True, False, True], id="a failure threshold of two"),
        pytest.param("ok no ok no ok", [True], id="single failures do not count"),
    ],
)
async def test_verdicts(answers: str, verdicts: list[bool]) -> None:
    probe = Probe({}, None, period_s=0.01, failure_threshold=2, initial_delay_s=0)
    patient = probe if answers.startswith("ok") else Probe({}, None, period_s=5.0, failure_threshold=2)
    rest, told = iter(answers.split()), list[bool]()
    done, told_something = asyncio.Event(), asyncio.Event()

    def report(well: bool) -> None:
        told.append(well)
        told_something.set()

    async def ask() -> str | None:
        word = next(rest, None)
        if word is None:
            done.set()
            await asyncio.Event().wait()
        return None if word == "ok" else "no"

    watching = asyncio.create_task(watch(patient, ask, report))
    await asyncio.wait_for((done if patient is probe else told_something).wait(), 5)
    watching.cancel()
    assert told == verdicts
