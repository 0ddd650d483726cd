"""The short way of a request to its model and the long one through the application answer the same."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import uvloop
from fastapi import FastAPI

from mooring_runtime import Model
from mooring_runtime.dataplane import DataPlane
from mooring_runtime.errors import ModelNotFound
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.registry.repository import Repository
from mooring_runtime.registry.servable import Servable
from mooring_runtime.rest_api.app import is_bare
from mooring_runtime.rest_api.cloud_events import Attributes
from mooring_runtime.rest_api.direct import Direct
from mooring_runtime.rest_api.inference import Inference
from mooring_runtime.server import new_metrics

Serve = Callable[..., AbstractAsyncContextManager[Any]]

V1 = b"/v1/models/m:predict"
V2 = b"/v2/models/m/infer"
V2_BODY = json.dumps({"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}]}).encode()


class Echo(Model):
    """Answers what it is asked, and headers that the instances name."""

    def __init__(self, name: str) -> None:
        super().__init__(name, return_response_headers=True)

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        if not isinstance(payload, dict):
            return {"outputs": [{"name": "y", "shape": [2], "datatype": "FP32", "data": [3, 4]}]}
        response_headers.update(payload.get("headers", {}))
        return {"predictions": payload["instances"], "seen": headers.get("x-mine")}


class NoModels:
    versioned = False

    async def open(self, name: str) -> Servable:
        raise ModelNotFound(name)


class Counts(Model):
    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        yield "one\n"
        yield ""
        yield {"two": 2}


def request(target: bytes, body: bytes, *headers: bytes, version: bytes = b"1.1") -> bytes:
    lines = [b"POST %s HTTP/%s" % (target, version), b"host: x", b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def answers(server: Any, sent: bytes, count: int) -> list[tuple[int, dict[str, str], bytes]]:
    """Send bytes on one connection and read so many answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.address.http_port)
    try:
        writer.write(sent)
        async with asyncio.timeout(20):
            return [await answer(reader) for _ in range(count)]
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status, *lines = head.strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert len(headers) == len(lines)
    if "content-length" in headers:
        return int(status.split()[1]), headers, await reader.readexactly(int(headers["content-length"]))
    assert headers["transfer-encoding"] == "chunked"
    body = b""
    while size := int((await reader.readuntil(b"\r\n")), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return int(status.split()[1]), headers, body


@pytest.mark.parametrize(
    ("method", "target", "headers", "is_direct"),
    [
        (b"POST", V1, [], True),
        (b"POST", b"/v1/models/m:explain", [], True),
        (b"POST", b"/v1/models/a:b:predict", [], True),
        (b"POST", V2, [(b"content-length", b"10")], True),
        (b"POST", b"/v2/models/m/versions/3/infer", [], True),
        (b"GET", V1, [], False),
        (b"POST", b"/v1/models/m%20n:predict", [], False),
        (b"POST", b"/v1/models/m:predict?x=1", [], False),
        (b"POST", b"/v1/models/m:other", [], False),
        (b"POST", b"/v1/models/a/b:predict", [], False),
        (b"POST", b"/v2/models/m/load", [], False),
        (b"POST", b"/v2/repository/models/m/load", [], False),
        (b"POST", V2, [(b"transfer-encoding", b"chunked")], False),
        (b"POST", V2, [(b"content-encoding", b"gzip")], False),
        (b"POST", V2, [(b"expect", b"100-continue")], False),
        (b"POST", V2, [(b"content-length", b"11")], False),
    ],
)
def test_the_short_way_is_for_plain_requests_of_models(
    method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], is_direct: bool
) -> None:
    dataplane = DataPlane(Repository(NoModels(), asyncio.TaskGroup(), metrics := new_metrics()), metrics)
    direct = Direct(Inference(dataplane, Threads.for_cpus(1), Attributes()), dataplane, max_body_bytes=10)
    assert (direct.call(method, target, headers) is not None) == is_direct


def test_middleware_or_routes_of_the_user_close_it() -> None:
    front = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    assert is_bare(front)
    front.add_api_route("/mine", lambda: None)
    assert not is_bare(front)


async def test_both_ways_answer_the_same(serve_ready: Serve) -> None:
    bodies = [(V1, b'{"instances": [1]}'), (V1, b"{"), (V1, b""), (V1, b'{"no": 1}'), (V2, V2_BODY), (V2, b"[]")]
    bodies += [(b"/v1/models/unknown:predict", b"{}"), (V2, b'{"inputs": 1}'), (V1, b'{"instances": 1}')]
    async with serve_ready(Echo("m")) as server:
        for target, body in bodies:
            [short] = await answers(server, request(target, body, b"x-mine: a", b"X-Mine: b"), 1)
            [long] = await answers(server, request(target + b"?long", body, b"x-mine: a", b"X-Mine: b"), 1)
            for _, headers, _ in (short, long):
                assert headers.pop("date")
            if target == V2 and body == V2_BODY:  # each has an id of its own
                short, long = ((s, {}, json.loads(b)["outputs"]) for s, _, b in (short, long))
            assert short == long


async def test_requests_that_are_piped_are_answered_in_order(serve_ready: Serve) -> None:
    sent = b"".join(request(target, b'{"instances": [%d]}' % n) for n, target in enumerate([V1, V1, V1 + b"?", V1]))
    sent += b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n" + request(V1, b'{"instances": [4]}')
    async with serve_ready(Echo("m")) as server:
        got = [json.loads(body) for _, _, body in await answers(server, sent, 6)]
    assert [each.get("predictions", each.get("live")) for each in got] == [[0], [1], [2], [3], True, [4]]


async def test_a_body_that_comes_in_pieces_is_read_whole(serve_ready: Serve) -> None:
    numbers = list(range(100_000))
    async with serve_ready(Echo("m")) as server:
        [(status, _, body)] = await answers(server, request(V1, json.dumps({"instances": numbers}).encode()), 1)
    assert (status, json.loads(body)["predictions"]) == (200, numbers)


async def test_large_bodies_that_come_together_are_all_read(serve_ready: Serve) -> None:
    bodies = [json.dumps({"instances": [n, "x" * 3_000_000]}).encode() for n in range(12)]
    async with serve_ready(Echo("m")) as server:
        sent = (request(V1, one) + request(V1, two) for one, two in zip(bodies[::2], bodies[1::2], strict=True))
        got = await asyncio.gather(*(answers(server, each, 2) for each in sent))
    assert [json.loads(body)["predictions"] for pair in got for _, _, body in pair] == [
        json.loads(body)["instances"] for body in bodies
    ]


@pytest.mark.parametrize("target", [V1, V1 + b"?long"], ids=["short", "long"])
async def test_a_generator_is_sent_as_it_is_made(serve_ready: Serve, target: bytes) -> None:
    async with serve_ready(Counts("m")) as server:
        [first, second] = await answers(server, request(target, b"{}") * 2, 2)
    assert first[2] == second[2] == b'one\n{"two":2}\n'


@pytest.mark.parametrize("target", [V1, V1 + b"?long"], ids=["short", "long"])
async def test_a_header_that_would_split_the_answer_fails_the_request(serve_ready: Serve, target: bytes) -> None:
    async with serve_ready(Echo("m")) as server:
        for headers in ({"x": "a\r\nset-cookie: b"}, {"a b": "c"}, {"x": "\u20ac"}):
            body = json.dumps({"instances": [], "headers": headers}).encode()
            [(status, told, text)] = await answers(server, request(target, body), 1)
            assert (status, "set-cookie" in told, json.loads(text)["error"][:17]) == (500, False, "a response header")


async def test_a_model_s_own_content_type_and_headers_go_out_once(serve_ready: Serve) -> None:
    body = json.dumps({"instances": [], "headers": {"Content-Type": "text/x", "Content-Length": "1", "X-A": "b"}})
    async with serve_ready(Echo("m")) as server:
        [(_, headers, text)] = await answers(server, request(V1, body.encode()), 1)
    assert (headers["content-type"], headers["x-a"], json.loads(text)["predictions"]) == ("text/x", "b", [])


async def test_old_clients_and_those_that_ask_for_it_get_their_connection_closed(serve_ready: Serve) -> None:
    async with serve_ready(Echo("m")) as server:
        for sent in (request(V1, b'{"instances":[]}', version=b"1.0"), request(V1, b"{}", b"connection: close")):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.address.http_port)
            writer.write(sent)
            async with asyncio.timeout(20):
                _, headers, _ = await answer(reader)
                assert (headers["connection"], await reader.read()) == ("close", b"")
            writer.close()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_connection_that_ended_with_requests_in_its_pipe_costs_no_other_its_answer(
    serve_ready: Serve, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    class Gate(Model):
        async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
            if not hasattr(self, "opened"):
                self.loop, self.opened, self.inside = asyncio.get_running_loop(), asyncio.Event(), 0
            self.inside += 1
            await self.opened.wait()
            return {"predictions": []}

    model = Gate("m")

    async def entered(count: int) -> None:
        async with asyncio.timeout(20):
            while getattr(model, "inside", 0) < count:  # noqa: ASYNC110 - counted in the model's thread
                await asyncio.sleep(0.01)

    async def break_off_and_ask() -> int:
        async with serve_ready(model) as server:
            _, leaving = await asyncio.open_connection("127.0.0.1", server.address.http_port)
            leaving.write(request(V1, b"{}") * 2 + b"no HTTP\r\n\r\n")  # which ends the connection
            await entered(1)
            other = asyncio.create_task(answers(server, request(V1, b"{}"), 1))
            await entered(2)
            model.loop.call_soon_threadsafe(model.opened.set)
            [(status, _, _)] = await other
        return status

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(break_off_and_ask()) == 200
