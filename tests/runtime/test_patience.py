import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /v2/models/m/infer HTTP/1.1\r\nhost: x\r\n",
        b"POST /v2/models/m/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
    ],
    ids=["nothing", "half-the-headers", "half-the-body"],
)
async def test_a_client_that_does_not_finish_its_request_is_answered_408(serve_folder: Serve, sent: bytes) -> None:
    async with serve_folder(client_timeout_s=0.2) as server, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.address.http_port)
        writer.write(sent)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert body == b'{"error": "The request did not arrive in good time."}'
        assert f"content-length: {len(body)}".encode() in head
        writer.close()
        assert (await server.http.get("/v2/health/live")).status_code == 200


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_ten_thousand_connections_opened_and_dropped_leave_nothing_behind(
    serve_folder: Serve, until: Until
) -> None:
    async with serve_folder() as server, asyncio.timeout(60):
        assert (await server.http.get("/v2/health/live")).status_code == 200
        before = open_files()

        async def open_and_drop(count: int) -> None:
            for _ in range(count):
                _, writer = await asyncio.open_connection("127.0.0.1", server.address.http_port)
                writer.transport.abort()

        await asyncio.gather(*(open_and_drop(200) for _ in range(50)))
        assert (await asyncio.wait_for(server.http.get("/v2/health/live"), 2)).status_code == 200

        async def all_closed() -> bool:
            return open_files() <= before

        await until(all_closed)
