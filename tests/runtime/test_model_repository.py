from pathlib import Path
from typing import Any

import httpx
import pytest

from mooring_runtime import Model, ModelRepository
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.metrics import Metrics
from mooring_runtime.sdk.source import RegisteredModels
from mooring_runtime.server import Models, running
from mooring_runtime.settings import Settings

SETTINGS = Settings(host="127.0.0.1", http_port=0, enable_grpc=False, lame_duck_s=0)


class Read(Model):
    """Answers what its file held when it was made."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name)
        self.text = text
        self.ready = True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return {"predictions": [self.text]}


class Folder(ModelRepository):
    """Each subfolder is a model; made on request."""

    async def load(self, name: str) -> bool:
        file = Path(self.models_dir) / name / "text"
        if not file.exists():
            return False
        self.update(Read(name, file.read_text()))
        return True


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "text").write_text(text)


async def test_load_requests_reach_the_user_s_repository(tmp_path: Path) -> None:
    repository = Folder(tmp_path)

    def models(threads: Threads, metrics: Metrics) -> Models:
        return Models(RegisteredModels(repository, 8, metrics), [], must_load=False)

    async with running(SETTINGS, models) as server:
        base = f"http://127.0.0.1:{server.address.http_port}"
        async with httpx.AsyncClient(base_url=base, timeout=20) as http:
            load, unload = (f"/v2/repository/models/m/{verb}" for verb in ("load", "unload"))
            assert (await http.post(load)).status_code == 404
            put(tmp_path, "m", "one")
            assert (await http.post(load)).status_code == 200
            predict, nothing = "/v1/models/m:predict", dict[str, list[int]](instances=[])
            assert (await http.post(predict, json=nothing)).json() == {"predictions": ["one"]}
            assert await repository.is_model_ready("m")
            put(tmp_path, "m", "two")
            assert (await http.post(load)).status_code == 200
            assert (await http.post(predict, json=nothing)).json() == {"predictions": ["two"]}
            assert (await http.post(unload)).status_code == 200
            assert repository.get_models() == {}
            assert not await repository.is_model_ready("m")
            assert (await http.post(load)).status_code == 200


def test_a_repository_holds_models_by_name() -> None:
    repository = ModelRepository("/elsewhere")
    repository.update(Read("a", ""))
    repository.update(Read("a", ""), "b")
    assert list(repository.models) == ["a", "b"]
    assert not repository.makes_models
    repository.set_models_dir("/here")
    assert repository.models_dir == "/here"
    repository.unload("b")
    with pytest.raises(KeyError):
        repository.unload("b")


def test_each_subfolder_is_loaded(tmp_path: Path) -> None:
    class Named(ModelRepository):
        def load_model(self, name: str) -> bool:
            self.update(Read(name, ""))
            return True

    (tmp_path / "file").touch()
    put(tmp_path, "b", "")
    put(tmp_path, "a", "")
    repository = Named(tmp_path)
    repository.load_models()
    assert list(repository.models) == ["a", "b"]
    assert repository.makes_models
