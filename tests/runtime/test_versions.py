import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from mooring_runtime.backends.versions import chosen_versions, is_versioned, version_folders
from mooring_runtime.errors import ModelLoadFailed
from mooring_runtime.grpc_api.messages import SERVICE, message

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
PutModel = Callable[[str, str], Path]

REQUEST = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}]}


def folders(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
    return root


def test_versions_are_numbered_folders_the_newest_last(tmp_path: Path) -> None:
    folders(tmp_path, "10", "9", "1", "01", "0", "v2", ".3", "4" * 20)
    (tmp_path / "5").write_text("a file")
    assert [path.name for path in version_folders(tmp_path)] == ["1", "9", "10"]
    (tmp_path / "model.pt").write_bytes(b"")
    assert version_folders(tmp_path) == []


@pytest.mark.parametrize(
    ("names", "versioned"),
    [(("1",), True), (("1", "2", ".staging"), True), (("1", "a"), False), ((), False), (("a",), False)],
    ids=str,
)
def test_a_folder_of_nothing_but_versions_is_one_model(tmp_path: Path, names: tuple[str, ...], versioned: bool) -> None:
    assert is_versioned(folders(tmp_path, *names)) is versioned


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        (None, ["3"]),
        ({}, ["3"]),
        ({"versions": "latest"}, ["3"]),
        ({"versions": "all"}, ["1", "2", "3"]),
        ({"versions": [3, 1]}, ["1", "3"]),
    ],
    ids=str,
)
def test_settings_choose_versions(tmp_path: Path, settings: dict[str, Any] | None, chosen: list[str]) -> None:
    folders(tmp_path, "1", "2", "3")
    if settings is not None:
        (tmp_path / "mooring.json").write_text(json.dumps(settings))
    assert [path.name for path in chosen_versions(tmp_path)] == chosen


@pytest.mark.parametrize(
    ("versions", "text"),
    [
        ([1, 7], "mooring.json names version 7, there are 1."),
        ("newest", "versions"),
        ([0], "versions"),
        (1, "versions"),
    ],
    ids=str,
)
def test_settings_that_choose_nothing_are_named(tmp_path: Path, versions: Any, text: str) -> None:
    (folders(tmp_path, "1") / "mooring.json").write_text(json.dumps({"versions": versions}))
    with pytest.raises(ModelLoadFailed, match=text):
        chosen_versions(tmp_path)


class Asked:
    """A server with two versions of `m`: 1 doubles, 2 triples."""

    def __init__(self, server: Any) -> None:
        self.http = server.http
        self.grpc_target = server.grpc_target
        self.dataplane = server.running.dataplane

    async def get(self, path: str) -> Any:
        return (await self.http.get(path)).json()

    async def infer(self, path: str = "m") -> tuple[str, float]:
        answer = (await self.http.post(f"/v2/models/{path}/infer", json=REQUEST)).json()
        return answer["model_version"], answer["outputs"][0]["data"][0]


@pytest.fixture
def two_versions(serve_folder: Serve, put_model: PutModel, until: Until) -> Any:
    @asynccontextmanager
    async def serve(versions: Any = "all", **changes: Any) -> AsyncIterator[Asked]:
        put_model("m/1", "double")
        folder = put_model("m/2", "triple").parent
        shared = {"versions": versions, "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}]}
        (folder / "mooring.json").write_text(json.dumps(shared))
        async with serve_folder(**changes) as server:
            asked = Asked(server)
            await until(asked.dataplane.is_ready)
            yield asked

    return serve


async def test_versions_answer_side_by_side_and_the_newest_by_default(two_versions: Any) -> None:
    async with two_versions() as asked:
        assert await asked.infer() == ("2", 3.0)
        assert await asked.infer("m/versions/1") == ("1", 2.0)
        assert await asked.infer("m/versions/2") == ("2", 3.0)
        absent = await asked.http.post("/v2/models/m/versions/3/infer", json=REQUEST)
        assert absent.status_code == 404
        assert absent.json()["error"].endswith("Version 3 is not there; versions 1, 2 are.")
        metadata = await asked.get("/v2/models/m")
        assert metadata["versions"] == ["1", "2"]
        assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1]}]
        assert (await asked.get("/v2/models/m/versions/1"))["versions"] == ["1"]
        index = (await asked.http.post("/v2/repository/index")).json()
        assert [(entry["name"], entry["version"], entry["state"]) for entry in index] == [
            ("m", "1", "READY"),
            ("m", "2", "READY"),
        ]


async def test_each_version_has_its_own_statistics(two_versions: Any) -> None:
    async with two_versions() as asked:
        for path in ("m", "m", "m/versions/1"):
            await asked.infer(path)

        async def counts(path: str) -> list[tuple[str, int, int]]:
            return [
                (row["version"], row["inference_stats"]["success"]["count"], row["inference_count"])
                for row in (await asked.get(path))["model_stats"]
            ]

        assert await counts("/v2/models/m/stats") == [("1", 1, 1), ("2", 2, 2)]
        assert await counts("/v2/models/stats") == [("1", 1, 1), ("2", 2, 2)]
        assert await counts("/v2/models/m/versions/2/stats") == [("2", 2, 2)]
        metrics = (await asked.http.get("/metrics")).text
        assert 'requests_total{model_name="m",outcome="ok",protocol="v2"} 3.0' in metrics


async def test_a_load_takes_up_new_versions_and_drops_old_ones(two_versions: Any, put_model: PutModel) -> None:
    async with two_versions("latest") as asked:
        assert (await asked.get("/v2/models/m"))["versions"] == ["2"]
        put_model("m/10", "double")
        assert await asked.infer() == ("2", 3.0)
        assert (await asked.http.post("/v2/repository/models/m/load")).status_code == 200
        assert await asked.infer() == ("10", 2.0)
        assert (await asked.http.get("/v2/models/m/versions/2/ready")).status_code == 404


async def test_a_version_that_cannot_be_loaded_leaves_the_others_serving(
    two_versions: Any, put_model: PutModel
) -> None:
    async with two_versions() as asked:
        (put_model("m/3", "double") / "model.pt").write_bytes(b"junk")
        failed = await asked.http.post("/v2/repository/models/m/load")
        assert failed.status_code == 422
        assert "could not be loaded: Version 3: model.pt is corrupt" in failed.json()["error"]
        assert await asked.infer() == ("2", 3.0)
        assert await asked.infer("m/versions/1") == ("1", 2.0)
        unloaded = await asked.http.post("/v2/repository/models/m/unload")
        assert unloaded.status_code == 200
        assert (await asked.http.get("/v2/models/m/versions/1")).status_code == 404


async def test_a_server_of_one_model_may_have_versions(two_versions: Any, tmp_path: Path) -> None:
    async with two_versions(model_dir=tmp_path / "models" / "m", model_name="mine", multi_model=False) as asked:
        assert await asked.infer("mine/versions/1") == ("1", 2.0)
        assert (await asked.http.post("/v1/models/mine:predict", json={"instances": [1.0]})).json() == {
            "predictions": [3.0]
        }


async def test_versions_over_grpc(two_versions: Any) -> None:
    async with two_versions() as asked, grpc.aio.insecure_channel(asked.grpc_target) as channel:

        async def ask(rpc: str, kind: str, **fields: Any) -> Any:
            call = channel.unary_unary(
                f"/{SERVICE}/{rpc}",
                request_serializer=lambda request: request.SerializeToString(),
                response_deserializer=message(f"{kind}Response").FromString,
            )
            return await call(message(f"{kind}Request")(**fields), timeout=20)

        assert list((await ask("ModelMetadata", "ModelMetadata", name="m")).versions) == ["1", "2"]
        index = await ask("RepositoryIndex", "RepositoryIndex")
        assert [entry.version for entry in index.models] == ["1", "2"]
        tensor = {"name": "x", "shape": [1], "datatype": "FP32", "contents": {"fp32_contents": [1.0]}}
        for version, value in (("1", 2.0), ("2", 3.0), ("", 3.0)):
            answer = await ask("ModelInfer", "ModelInfer", model_name="m", model_version=version, inputs=[tensor])
            assert answer.model_version == (version or "2")
            assert list(answer.outputs[0].contents.fp32_contents) == [value]
