import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.runtime.launched import Running, started
from tests.runtime.seeds import program, template_001, template_002

from mooring_runtime.grpc_api.messages import SERVICE, message


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The folder that MLSERVER_MODELS_DIR names, with nothing in it."""
    folder = tmp_path / "_mlserver_models"
    folder.mkdir()
    return folder


def put(models: Path, name: str, factor: float, **more: Any) -> None:
    """A model as ModelMesh's adapter puts it there: settings without an implementation, data elsewhere."""
    folder = models / name
    folder.mkdir(exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "model.json").write_text(json.dumps({"factor": factor}))
    settings = {"name": name, "parameters": {"uri": str(folder / "data")}, **more}
    (folder / "model-settings.json").write_text(json.dumps(settings))


@pytest.fixture(params=[template_001, template_002], ids=["document 001", "document 002"])
def server(request: pytest.FixtureRequest, models: Path, tmp_path: Path) -> Iterator[Running]:
    """The document's model under the variables of its image, started by its CMD."""
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "custom_model.py").write_text(request.param())
    environ = {
        "PYTHONPATH": f"{tmp_path / 'opt'}:{os.environ.get('PYTHONPATH', '')}",
        "MLSERVER_MODELS_DIR": str(models),
        "MLSERVER_GRPC_PORT": "0",
        "MLSERVER_HTTP_PORT": "0",
        "MLSERVER_LOAD_MODELS_AT_STARTUP": "false",
        "MLSERVER_MODEL_NAME": "dummy-model",
        "MLSERVER_MODEL_IMPLEMENTATION": "custom_model.CustomMLModel",
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_GRPC_MAX_MESSAGE_LENGTH": "-1",
        "MLSERVER_DEBUG": "true",
        "MLSERVER_MODEL_PARALLEL_WORKERS": "0",
    }
    with started("mlserver", "start", "${MLSERVER_MODELS_DIR}", **environ) as running:
        yield running


def call(server: Running, method: str, **fields: Any) -> Any:
    """One RPC, as ModelMesh's adapter sends it."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        send = channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=message(f"{method}Request").SerializeToString,
            response_deserializer=message(f"{method}Response").FromString,
        )
        return send(message(f"{method}Request")(**fields), timeout=30)


def stream(server: Running, *requests: Any) -> list[Any]:
    """`ModelStreamInfer` as MLServer's stub reads it: bare answers."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        send = channel.stream_stream(
            f"/{SERVICE}/ModelStreamInfer",
            request_serializer=message("ModelInferRequest").SerializeToString,
            response_deserializer=message("ModelInferResponse").FromString,
        )
        return list(send(iter(requests), timeout=30))


BODY: dict[str, Any] = {"id": "7", "inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}]}


def test_the_documents_model_is_loaded_asked_loaded_anew_and_unloaded_over_both_protocols(
    server: Running, models: Path
) -> None:
    assert server.http.post("/v2/repository/index", json={}).json() == []
    put(models, "m", 3)
    call(server, "RepositoryModelLoad", model_name="m")
    assert server.http.get("/v2/models/m/ready").status_code == 200
    answer = server.http.post("/v2/models/m/infer", json=BODY).json()
    assert (answer["id"], answer["model_name"]) == ("7", "m")
    output = {"name": "y", "shape": [2], "datatype": "FP32", "parameters": None, "data": [3.0, 6.0]}
    assert answer["outputs"] == [output]

    put(models, "m", 5, parameters={"uri": "data", "version": "v2"})
    assert server.http.post("/v2/repository/models/m/load").status_code == 200
    tensor = {"name": "x", "shape": [2], "datatype": "FP32", "contents": {"fp32_contents": [1, 2]}}
    told = call(server, "ModelInfer", model_name="m", model_version="v2", inputs=[tensor])
    assert list(told.outputs[0].contents.fp32_contents) == [5, 10]
    assert told.model_version == "v2"
    answers = stream(
        server, *[message("ModelInferRequest")(model_name="m", id=str(n), inputs=[tensor]) for n in (1, 2)]
    )
    assert [(each.id, list(each.outputs[0].contents.fp32_contents)) for each in answers] == [
        ("1", [5, 10]),
        ("2", [5, 10]),
    ]
    raw = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32"}], "raw_input_contents": [b"\0\0\x80?" * 2]}
    assert call(server, "ModelInfer", model_name="m", **raw).raw_output_contents == [b"\0\0\xa0@" * 2]

    call(server, "RepositoryModelUnload", model_name="m")
    assert server.http.post("/v2/models/m/infer", json=BODY).status_code == 404
    assert list(call(server, "RepositoryIndex").models) == []


def test_what_does_not_work_is_told_over_both_protocols(
    server: Running, models: Path, request: pytest.FixtureRequest
) -> None:
    put(models, "m", 3)
    put(models, "gone", 3, parameters={"uri": "nowhere"})
    answer = server.http.post("/v2/repository/models/gone/load")
    assert answer.status_code == 422
    assert "Invalid URI specified for model gone" in answer.json()["error"]
    assert server.http.post("/v2/repository/models/stranger/load").status_code == 404
    call(server, "RepositoryModelLoad", model_name="m")
    tensor = {"name": "x", "shape": [1], "datatype": "INT64", "contents": {"int64_contents": [1]}}
    with pytest.raises(grpc.RpcError) as told:
        call(server, "ModelInfer", model_name="m", inputs=[tensor, tensor])
    assert "one input, please" in told.value.details()
    wanted_by = {"document 001": grpc.StatusCode.INVALID_ARGUMENT, "document 002": grpc.StatusCode.INTERNAL}
    assert told.value.code() is wanted_by[request.node.callspec.id]  # 002 has no InferenceError
    assert server.http.post("/v1/models/m:predict", json={"instances": [1]}).status_code == 501
    wrong = {"inputs": [{**BODY["inputs"][0], "parameters": {"content_type": 3}}]}
    assert server.http.post("/v2/models/m/infer", json=wrong).status_code == 400


def test_document_001_s_template_loads_as_it_stands_with_the_models_of_its_start(models: Path, tmp_path: Path) -> None:
    put(models, "m", 3, implementation="mine.CustomMLModel")
    (models / "m" / "mine.py").write_text(program("001", "WELLKNOWN_MODEL_FILENAMES"))
    environ = {"MLSERVER_HTTP_PORT": "0", "MLSERVER_GRPC_PORT": "0", "MLSERVER_HOST": "127.0.0.1"}
    with started("mlserver", "start", str(models), **environ) as server:
        assert server.http.post("/v2/models/m/infer", json=BODY).json()["outputs"] == []


def test_models_share_code_that_lies_in_the_folder_of_all(models: Path) -> None:
    (models / "common.py").write_text("from mlserver import MLModel, types, __version__\n" + SHARED)
    put(models, "m", 3, implementation="common.Shared")
    environ = {"MLSERVER_HTTP_PORT": "0", "MLSERVER_GRPC_PORT": "0", "MLSERVER_HOST": "127.0.0.1"}
    with started("mlserver", "start", str(models), **environ) as server:
        assert server.http.post("/v2/models/m/infer", json=BODY).json()["outputs"] == []


SHARED = """
class Shared(MLModel):
    async def predict(self, payload):
        return types.InferenceResponse(model_name=self.name, outputs=[])
"""

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "mlserver-model"


def test_the_example_starts_as_its_readme_says_and_answers() -> None:
    line = next(line for line in (EXAMPLE / "README.md").read_text().splitlines() if line.startswith("PYTHONPATH"))
    words = shlex.split(line)
    environ = dict(word.split("=", 1) for word in words if "=" in word)
    verbs = words[words.index("mooring-runtime") + 1 :]
    environ["PYTHONPATH"] = f"{EXAMPLE}:{os.environ.get('PYTHONPATH', '')}"
    ports = {"MLSERVER_HTTP_PORT": "0", "MLSERVER_GRPC_PORT": "0", "MLSERVER_HOST": "127.0.0.1"}
    with started(*verbs[:-1], str(EXAMPLE / verbs[-1]), **environ, **ports) as server:
        assert server.http.post("/v2/models/doubler/infer", json=BODY).json()["outputs"][0]["data"] == [2.0, 4.0]
        wrong = {"inputs": [{**BODY["inputs"][0], "datatype": "INT32"}]}
        answer = server.http.post("/v2/models/doubler/infer", json=wrong)
        assert (answer.status_code, answer.json()["error"]) == (400, "exactly one input of datatype FP32 is expected")


def test_a_folder_is_loaded_by_its_own_name_where_no_settings_have_it(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for name, settings in {"bare": None, "unnamed": {}, "other": {"name": "another"}}.items():
        (models / name).mkdir(parents=True)
        (models / name / "model.json").write_text('{"factor": 3}')
        if settings is not None:
            (models / name / "model-settings.json").write_text(json.dumps(settings))
    (tmp_path / "outside").mkdir()
    environ = {
        "PYTHONPATH": f"{EXAMPLE}:{os.environ.get('PYTHONPATH', '')}",
        "MLSERVER_HTTP_PORT": "0",
        "MLSERVER_GRPC_PORT": "0",
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_LOAD_MODELS_AT_STARTUP": "false",
        "MLSERVER_MODEL_NAME": "dummy-model",
        "MLSERVER_MODEL_IMPLEMENTATION": "custom_model.CustomMLModel",
    }
    with started("mlserver", "start", str(models), **environ) as server:
        for name in ("bare", "unnamed", "other"):
            assert server.http.post(f"/v2/repository/models/{name}/load").status_code == 200
            answer = server.http.post(f"/v2/models/{name}/infer", json=BODY).json()
            assert (answer["model_name"], answer["outputs"][0]["data"]) == (name, [3.0, 6.0])
        for stranger in ("..", "../outside", str(tmp_path / "outside")):
            with pytest.raises(grpc.RpcError) as told:
                call(server, "RepositoryModelLoad", model_name=stranger)
            assert told.value.code() is grpc.StatusCode.NOT_FOUND
