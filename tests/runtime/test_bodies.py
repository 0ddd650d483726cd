"""Bodies that are too long, or compressed, against a real server."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from mooring_runtime import Model

Serve = Callable[..., AbstractAsyncContextManager[Any]]

LIMIT = 10_000
PATH = "/v1/models/same:predict"


class Same(Model):
    """Answers what it was sent."""

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return payload


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """Sent in chunks, without a length in front."""
    for start in range(0, len(body), 4096):
        yield body[start : start + 4096]


@pytest.fixture
async def server(serve_ready: Serve) -> AsyncIterator[Any]:
    async with serve_ready(Same("same"), max_body_bytes=LIMIT) as running:
        yield running


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("size", [LIMIT + 1, 20_000_000], ids=["just", "by far"])
async def test_a_body_over_the_limit_is_413_and_the_server_goes_on(server: Any, chunked: bool, size: int) -> None:
    body = b"1" * size
    answer = await server.http.post(PATH, content=pieces(body) if chunked else body)
    assert answer.status_code == 413
    assert f"more than {LIMIT} bytes" in answer.json()["error"]
    assert answer.headers["connection"] == "close"
    assert (await server.http.post(PATH, json={"a": 1})).json() == {"a": 1}


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
async def test_a_body_of_the_limit_is_read(server: Any, chunked: bool) -> None:
    body = b'"' + b"1" * (LIMIT - 2) + b'"'
    answer = await server.http.post(PATH, content=pieces(body) if chunked else body)
    assert (answer.status_code, len(answer.content)) == (200, LIMIT - 2)


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
async def test_compressed_bodies_are_read(
    server: Any, encoding: str, compress: Callable[[bytes], bytes], chunked: bool
) -> None:
    body = compress(json.dumps({"numbers": list(range(1000))}).encode())
    headers = {"content-encoding": encoding}
    answer = await server.http.post(PATH, content=pieces(body) if chunked else body, headers=headers)
    assert answer.json() == {"numbers": list(range(1000))}


@pytest.mark.parametrize(
    ("encoding", "body", "status", "text"),
    [
        ("gzip", gzip.compress(b"1" * 50_000_000), 413, "more than"),
        ("gzip", b'{"a": 1}', 400, "not compressed as"),
        ("gzip", gzip.compress(b'{"a": 1}')[:-9], 400, "ends before its compressed"),
        ("br", b"{}", 400, "Content-Encoding is 'br'"),
    ],
    ids=["a bomb", "no gzip", "cut short", "another encoding"],
)
async def test_compressed_bodies_that_are_wrong_are_refused(
    server: Any, encoding: str, body: bytes, status: int, text: str
) -> None:
    answer = await server.http.post(PATH, content=body, headers={"content-encoding": encoding})
    assert (answer.status_code, text in answer.json()["error"]) == (status, True)
