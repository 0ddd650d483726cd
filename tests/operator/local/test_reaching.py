"""How services are reached in local mode: real processes behind the real proxy."""

import asyncio
from collections.abc import Callable
from typing import Any

from mooring_operator.local.loopback import HOST

Isvc = Callable[..., str]
HOSTNAME = "tiny.default.example.com"


async def test_a_service_answers_by_ingress_host_by_cluster_name_and_by_path(start: Any, isvc: Isvc) -> None:
    local = await start({"a.yaml": isvc()})
    await local.ready("tiny")
    for path, host, seen in (
        ("/v2/x%20y?q=1", HOSTNAME, "/v2/x%20y?q=1"),
        ("/v2", "tiny.default", "/v2"),
        ("/v2", "tiny-predictor.default.svc.cluster.local", "/v2"),
        ("/default/tiny/v2", None, "/v2"),
    ):
        status, answer = await local.fetch(path, host)
        assert (status, answer["path"]) == (200, seen)
    assert answer["headers"]["X-Forwarded-For"] == HOST


async def test_columns_are_those_of_the_walk_through(start: Any, isvc: Isvc) -> None:
    local = await start({"a.yaml": isvc()})
    await local.ready("tiny")
    status = (await local.item("InferenceService", "tiny"))["status"]
    traffic = status["components"]["predictor"]["traffic"]
    revision = (await local.items("Pod"))[0]["metadata"]["ownerReferences"][0]["name"]
    assert status["url"] == f"http://{HOSTNAME}"
    assert [(t["latestRevision"], t["percent"], t["revisionName"]) for t in traffic] == [(True, 100, revision)]


async def test_unknown_places_and_services_without_pods_are_explained(start: Any, isvc: Isvc) -> None:
    local = await start({"a.yaml": isvc(image="none:v1")})

    async def refused() -> Any:
        status, answer = await local.fetch("/default/tiny/v2")
        return answer if status == 503 else None

    assert "no ready pod" in (await local.until(refused))["error"]
    status, answer = await local.fetch("/nowhere/at/all")
    assert (status, [s["name"] for s in answer["services"]]) == (404, ["tiny"])


async def test_bodies_are_streamed_both_ways(start: Any, isvc: Isvc) -> None:
    local = await start({"a.yaml": isvc()})
    await local.ready("tiny")
    big = b"x" * 20_000_000
    assert await local.fetch("/up", HOSTNAME, data=big) == (200, {"length": len(big)})
    url = f"http://{HOST}:{local.port}/stream"
    async with local.session.get(url, headers={"Host": HOSTNAME}) as answer:
        assert await answer.content.readexactly(5) == b"first"  # while the server still holds back the rest
        await local.fetch("/release", HOSTNAME)
        assert await answer.content.read() == b"last"


async def test_grpc_gets_a_port_of_its_own(start: Any, isvc: Isvc) -> None:
    echo = (
        '{python} -c "import socketserver, sys;'
        "H = type('H', (socketserver.StreamRequestHandler,), {'handle': lambda s: s.wfile.write(s.rfile.readline())});"
        "socketserver.TCPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\" {grpc_port}"
    )
    ports = "        ports: [{name: h2c, containerPort: 9000}]\n"
    local = await start({"a.yaml": isvc(image="echo:v1", container=ports)}, {"echo": echo})
    await local.ready("tiny")
    addresses = (await local.ask("GET", "/objects/InferenceService"))["grpc"]
    host, _, port = addresses["default/tiny"].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    writer.close()


async def test_a_request_under_way_is_answered_by_the_pod_that_goes(start: Any, isvc: Isvc) -> None:
    local = await start({"a.yaml": isvc(word="old")})
    await local.ready("tiny")
    under_way = asyncio.create_task(local.fetch("/slow", HOSTNAME))
    (local.folder / "a.yaml").write_text(isvc(word="new"))

    async def is_new() -> bool:
        return bool((await local.fetch("/", HOSTNAME))[1].get("word") == "new")

    await local.until(is_new)
    status, answer = await under_way
    assert (status, answer["word"]) == (200, "old")
