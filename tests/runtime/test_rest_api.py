import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
PutModel = Callable[[str, str], Path]

SEED_REQUEST = '{"inputs": [{"name": "input-0", "shape": [1], "datatype": "FP32", "data": [1.0]}]}'
"""As seed 004's curl sends it."""


async def is_ready(server: Any) -> bool:
    return bool((await server.http.get("/v2/health/ready")).status_code == 200)


async def test_a_server_without_models_is_ready_and_loads_what_it_is_told_to(
    serve_folder: Serve, put_model: PutModel, until: Until
) -> None:
    async with serve_folder() as server:
        http = server.http
        await until(lambda: is_ready(server))
        put_model("model1-custom", "double")
        loaded = await http.post("/v2/repository/models/model1-custom/load", content="{}")
        assert (loaded.status_code, loaded.json()) == (200, {"name": "model1-custom", "load": True})
        answer = await http.post(
            "/v2/models/model1-custom/infer",
            content=SEED_REQUEST,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert answer.headers["content-type"] == "application/json"
        body = answer.json()
        assert body.pop("id")
        assert body == {
            "model_name": "model1-custom",
            "model_version": "1",
            "parameters": None,
            "outputs": [{"name": "output-0", "shape": [1], "datatype": "FP32", "parameters": None, "data": [2.0]}],
        }
        unloaded = await http.post("/v2/repository/models/model1-custom/unload", content="{}")
        assert (unloaded.status_code, unloaded.json()) == (200, {"name": "model1-custom", "unload": True})
        gone = await http.post("/v2/models/model1-custom/infer", content=SEED_REQUEST)
        assert (gone.status_code, gone.json()) == (404, {"error": "Model with name model1-custom does not exist."})


async def test_models_that_are_there_at_start_are_served_and_a_bad_one_is_told_in_the_index(
    serve_folder: Serve, put_model: PutModel, until: Until
) -> None:
    put_model("good", "double")
    (put_model("bad", "double") / "model.pt").write_bytes(b"junk")
    put_model(".staging", "double")
    async with serve_folder() as server:
        await until(lambda: is_ready(server))
        index = (await server.http.post("/v2/repository/index")).json()
        states = {entry["name"]: entry["state"] for entry in index}
        assert states == {"bad": "UNAVAILABLE", "good": "READY"}
        assert "model.pt is corrupt" in next(entry["reason"] for entry in index if entry["name"] == "bad")
        ready_only = (await server.http.post("/v2/repository/index", json={"ready": True})).json()
        assert [entry["name"] for entry in ready_only] == ["good"]
        answer = await server.http.post("/v2/models/bad/infer", content=SEED_REQUEST)
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("Model with name bad is not ready.")
        assert (await server.http.get("/v2/models")).json() == {"models": ["good"]}
        assert (await server.http.get("/v1/models")).json() == {"models": ["good"]}


async def test_one_model_right_in_the_folder_is_the_model_of_that_name(
    serve_folder: Serve, put_model: PutModel, until: Until
) -> None:
    folder = put_model("whatever", "double")
    async with serve_folder(model_dir=folder, model_name="mine", multi_model=False) as server:
        await until(lambda: is_ready(server))
        assert (await server.http.post("/v2/models/mine/infer", content=SEED_REQUEST)).status_code == 200
        other = await server.http.post("/v2/repository/models/other/load")
        assert other.status_code == 404
        assert "serves one model, mine" in other.json()["error"]


async def test_a_reload_serves_the_new_version_and_a_failed_one_keeps_the_old(
    serve_folder: Serve, put_model: PutModel, until: Until
) -> None:
    folder = put_model("m", "double")
    async with serve_folder() as server:
        await until(lambda: is_ready(server))
        put_model("m", "triple")
        assert (await server.http.post("/v2/repository/models/m/load")).status_code == 200
        body = (await server.http.post("/v2/models/m/infer", content=SEED_REQUEST)).json()
        assert (body["model_version"], body["outputs"][0]["data"]) == ("2", [3.0])

        (folder / "model.pt").unlink()
        (folder / "model.pt").write_bytes(b"PK junk")
        failed = await server.http.post("/v2/repository/models/m/load")
        assert failed.status_code == 422
        assert failed.json()["error"].startswith("Model with name m could not be loaded: model.pt is corrupt")
        body = (await server.http.post("/v2/models/m/infer", content=SEED_REQUEST)).json()
        assert (body["model_version"], body["outputs"][0]["data"]) == ("2", [3.0])
        (entry,) = (await server.http.post("/v2/repository/index")).json()
        assert (entry["state"], entry["version"]) == ("READY", "2")
        assert "the last load failed" in entry["reason"]


async def test_requests_are_answered_throughout_reloads(serve_folder: Serve, put_model: PutModel, until: Until) -> None:
    put_model("m", "double")
    async with serve_folder() as server:
        await until(lambda: is_ready(server))
        finished = asyncio.Event()

        async def ask() -> list[int]:
            statuses = []
            while not finished.is_set():
                statuses.append((await server.http.post("/v2/models/m/infer", content=SEED_REQUEST)).status_code)
            return statuses

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        for _ in range(5):
            assert (await server.http.post("/v2/repository/models/m/load")).status_code == 200
        finished.set()
        statuses = [status for statuses in await asyncio.gather(*asking) for status in statuses]
        assert len(statuses) > 10
        assert set(statuses) == {200}


@pytest.mark.parametrize("name", ["absent", "..", ".hidden", "a%2Fb", "%2e%2e%2fetc"])
def test_names_that_are_no_model_of_the_folder_are_not_found(
    name: str, serve_folder: Serve, put_model: PutModel
) -> None:
    async def scenario() -> None:
        put_model(".hidden", "double")
        async with serve_folder() as server:
            answer = await server.http.post(f"/v2/repository/models/{name}/load")
            assert answer.status_code == 404

    asyncio.run(scenario())


async def test_a_folder_that_went_away_is_not_found(serve_folder: Serve, put_model: PutModel, until: Until) -> None:
    folder = put_model("m", "double")
    async with serve_folder() as server:
        await until(lambda: is_ready(server))
        shutil.rmtree(folder)
        assert (await server.http.post("/v2/repository/models/m/load")).status_code == 404
        assert (await server.http.post("/v2/models/m/infer", content=SEED_REQUEST)).status_code == 200


async def test_health_and_metadata(serve_folder: Serve, put_model: PutModel, until: Until) -> None:
    put_model("m", "double")
    expected: dict[str, tuple[int, Any]] = {
        "/": (200, {"status": "alive"}),
        "/v2/health/live": (200, {"live": True}),
        "/v2/health/ready": (200, {"ready": True}),
        "/v1/models/m": (200, {"name": "m", "ready": True}),
        "/v2/models/m/ready": (200, {"name": "m", "ready": True}),
        "/v2/models/m/versions/1/ready": (200, {"name": "m", "ready": True}),
        "/v2/models/m": (
            200,
            {"name": "m", "versions": ["1"], "platform": "pytorch_torchscript", "inputs": [], "outputs": []},
        ),
        "/v1/models/x": (404, {"error": "Model with name x does not exist."}),
        "/v2/models/x/ready": (404, {"error": "Model with name x does not exist."}),
        "/v2/models/m/versions/9": (
            404,
            {"error": "Model with name m does not exist. Version 9 is not there; version 1 is."},
        ),
        "/nowhere": (404, {"detail": "Not Found"}),
    }
    async with serve_folder() as server:
        await until(lambda: is_ready(server))
        for path, (status, body) in expected.items():
            answer = await server.http.get(path)
            assert (path, answer.status_code, answer.json()) == (path, status, body)
            if path == "/" or path.endswith(("/live", "/ready")) or path.startswith("/v1/"):
                head = await server.http.head(path)
                assert (path, head.status_code, head.content) == (path, status, b"")
        server_metadata = (await server.http.get("/v2")).json()
        assert server_metadata["name"] == "mooring"
        assert "model_repository_extension" in server_metadata["extensions"]
        assert (await server.http.get("/docs")).status_code == 404
        assert "/v2/models/{model_name}/infer" in (await server.http.get("/openapi.json")).json()["paths"]


async def test_metrics_count_requests_by_outcome(serve_folder: Serve, put_model: PutModel, until: Until) -> None:
    put_model("m", "double")
    async with serve_folder() as server:
        await until(lambda: is_ready(server))
        await server.http.post("/v2/models/m/infer", content=SEED_REQUEST)
        await server.http.post("/v2/models/m/infer", content='{"inputs":[]}')
        await server.http.post("/v2/models/a-stranger/infer", content=SEED_REQUEST)
        text = (await server.http.get("/metrics")).text
        line = 'mooring_runtime_requests_total{{model_name="m",outcome="{}",protocol="v2"}} 1.0'
        assert line.format("ok") in text
        assert line.format("InvalidInput") in text
        assert "a-stranger" not in text
