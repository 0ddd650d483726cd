"""Settings, sources and servables of MLServer's models, in process."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from tests.runtime.conftest import SETTINGS, Server

from mooring_runtime.errors import InferenceError, InvalidInput, ModelLoadFailed, ModelNotFound, StartupError
from mooring_runtime.infer_type import InferInput, InferRequest, RequestedOutput
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.metrics import Metrics
from mooring_runtime.mlserver import MLModel, ModelParameters, ModelSettings, errors, types
from mooring_runtime.mlserver.custom_routes import CustomRoutes
from mooring_runtime.mlserver.host import Host
from mooring_runtime.mlserver.implementation import Implementations
from mooring_runtime.mlserver.metrics import ModelsOwn, RequestCounters
from mooring_runtime.mlserver.settings import SettingsError
from mooring_runtime.mlserver.source import SettingsFolder
from mooring_runtime.mlserver.start import Start
from mooring_runtime.mlserver.utils import extract_headers, get_model_uri, insert_headers
from mooring_runtime.mlserver.wire import from_mlserver, to_mlserver
from mooring_runtime.server import Models, running

MODEL = """
from mooring_runtime.mlserver import MLModel, types
from mooring_runtime.mlserver.errors import {error}

class Mine(MLModel):
    async def load(self):
        {load}

    async def predict(self, payload):
        {predict}
"""
ANSWER = """return types.InferenceResponse(model_name=self.name, parameters={"headers": {"x-told": "yes"}}, outputs=[
            {"name": "y", "shape": [1], "datatype": "BYTES", "data": ["SAYS"]}])"""


def write(
    folder: Path, name: str, load: str = "return True", predict: str = ANSWER, says: str = "", **more: Any
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = MODEL.format(load=load, predict=predict, error=more.pop("error", "MLServerError"))
    (folder / "mine.py").write_text(text.replace("SAYS", says))
    (folder / "model-settings.json").write_text(json.dumps({"name": name, "implementation": "mine.Mine"} | more))


def host(threads: Threads, metrics: Metrics, front: FastAPI) -> Host:
    return Host(threads, metrics, RequestCounters(metrics.registry), CustomRoutes(front), max_waiting=16)


@contextmanager
def folder_of(root: Path, **environ: str) -> Iterator[SettingsFolder]:
    """The models of a folder, without a server."""
    threads = Threads.for_cpus(1)
    try:
        yield SettingsFolder(root, environ, host(threads, Metrics(CollectorRegistry()), FastAPI()))
    finally:
        threads.shut_down()


@asynccontextmanager
async def served_folder(root: Path) -> AsyncIterator[Server]:
    front = FastAPI(openapi_url=None)

    def models(threads: Threads, metrics: Metrics) -> Models:
        metrics.registry.register(ModelsOwn())
        source = SettingsFolder(root, {}, host(threads, metrics, front))
        return Models(source, list(source.files()), must_load=False, strict=False)

    async with running(SETTINGS, models, None, front) as server:
        url = f"http://127.0.0.1:{server.address.http_port}"
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            yield Server(server, http)


@asynccontextmanager
async def served(root: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with served_folder(root) as server:
        yield server.http


BODY = {"inputs": [{"name": "x", "shape": [1], "datatype": "INT64", "data": [1]}]}
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


async def ask(http: httpx.AsyncClient, name: str) -> str:
    return str((await http.post(f"/v2/models/{name}/infer", json=BODY)).json()["outputs"][0]["data"][0])


async def test_each_folder_has_code_of_its_own_and_a_load_reads_it_anew(tmp_path: Path, until: Until) -> None:
    write(tmp_path / "a", "a", says="a")
    write(
        tmp_path / "deep" / "b",
        "b",
        says="b",
        platform="mine",
        inputs=[{"name": "x", "datatype": "INT64", "shape": [-1]}],
    )
    async with served(tmp_path) as http:
        await until(lambda: _ready(http))
        assert [await ask(http, "a"), await ask(http, "b"), await ask(http, "a")] == ["a", "b", "a"]
        write(tmp_path / "a", "a", says="a new one", parameters={"version": "2"})
        (await http.post("/v2/repository/models/a/load")).raise_for_status()
        answer = await http.post("/v2/models/a/infer", json=BODY)
        assert answer.json()["outputs"][0]["data"] == ["a new one"]
        assert answer.json()["model_version"] == "2"
        assert answer.headers["x-told"] == "yes"
        assert (await http.get("/v2/models/a")).json()["versions"] == ["2"]
        told = (await http.get("/v2/models/b")).json()
        assert (told["platform"], told["versions"]) == ("mine", None)
        assert told["inputs"] == [{"name": "x", "datatype": "INT64", "shape": [-1]}]


async def _ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/v2/health/ready")).status_code == 200


@pytest.mark.parametrize(
    ("more", "status", "text"),
    [
        ({"load": "return False"}, 422, "It is not ready after load."),
        ({"load": "raise ValueError('no such thing')"}, 422, "ValueError : no such thing"),
        ({"implementation": "mine.Other"}, 422, "mine.Other has no such class"),
        ({"implementation": "mine.types"}, 422, "is no subclass of mlserver.MLModel"),
        ({"implementation": "absent.Mine"}, 422, "There is no module absent"),
        ({"implementation": "Mine"}, 422, "is no module and class"),
        ({"implementation": 3}, 422, "implementation: Input should be a valid string"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_a_model_that_cannot_be_loaded_says_why_and_leaves_the_others(
    tmp_path: Path, until: Until, more: dict[str, Any], status: int, text: str
) -> None:
    write(tmp_path / "good", "good", says="fine")
    write(tmp_path / "bad", "bad", **more)
    async with served(tmp_path) as http:
        await until(lambda: _ready(http))
        answer = await http.post("/v2/repository/models/bad/load")
        assert answer.status_code == status
        assert text in answer.json()["error"]
        assert await ask(http, "good") == "fine"
        write(tmp_path / "bad", "bad", says="mended")
        (await http.post("/v2/repository/models/bad/load")).raise_for_status()
        assert await ask(http, "bad") == "mended"


@pytest.mark.parametrize(
    ("predict", "status", "text"),
    [
        ("raise MLServerError('not so')", 400, "not so"),
        ("raise MLServerError('my fault', 500)", 500, "my fault"),
        ("raise KeyError('k')", 500, "KeyError : 'k'"),
        ("return 3", 500, "answered a int"),
        (ANSWER.replace("[1]", "[2]"), 500, "answered a faulty output"),
    ],
)
async def test_what_a_model_raises_or_answers_wrong_reaches_the_client(
    tmp_path: Path, until: Until, predict: str, status: int, text: str
) -> None:
    write(tmp_path / "m", "m", predict=predict)
    async with served(tmp_path) as http:
        await until(lambda: _ready(http))
        answer = await http.post("/v2/models/m/infer", json=BODY)
        assert (answer.status_code, text in answer.json()["error"]) == (status, True), answer.text


def names(root: Path, **environ: str) -> dict[str, str | None]:
    with folder_of(root, **environ) as folder:
        files = folder.files()
    newest = {name: versions[-1] for name, versions in files.items()}
    return {name: None if file is None else str(file.parent.relative_to(root)) for name, file in newest.items()}


def put(file: Path, document: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))


def test_models_are_found_at_any_depth_through_links_by_name_or_folder(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root / "one" / "model-settings.json", {"name": "first"})
    put(root / "two" / "model-settings.json", {})
    put(tmp_path / "elsewhere" / "model-settings.json", {"name": "linked"})
    put(root / ".staging" / "model-settings.json", {"name": "hidden"})
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "torn").mkdir()
    (root / "torn" / "model-settings.json").write_text("{")
    assert names(root) == {"first": "one", "linked": "link", "torn": "torn", "two": "two"}
    assert "dummy" in names(root, MLSERVER_MODEL_NAME="dummy")


@pytest.mark.parametrize(
    ("versions", "newest"),
    [(["9", "10"], "10"), (["9", None], "None"), (["v1", "v2"], "v2"), (["1", "v2"], "1")],
)
def test_the_newest_version_of_a_model_is_known(tmp_path: Path, versions: list[str | None], newest: str) -> None:
    for version in versions:
        put(tmp_path / str(version) / "model-settings.json", {"name": "m", "parameters": {"version": version}})
    assert names(tmp_path) == {"m": newest}


async def test_versions_are_served_side_by_side_and_replaced_together(tmp_path: Path, until: Until) -> None:
    def put_versions(*versions: str, **more: Any) -> None:
        for version in versions:
            write(tmp_path / version, "m", says=f"from {version}", parameters={"version": version}, **more)

    async def says(http: httpx.AsyncClient, path: str) -> str:
        answer = await http.post(f"/v2/models/m{path}/infer", json=BODY)
        return str(answer.json()["outputs"][0]["data"][0] if answer.status_code == 200 else answer.status_code)

    put_versions("9", "10")
    async with served(tmp_path) as http:
        await until(lambda: _ready(http))
        paths = ("", "/versions/9", "/versions/10", "/versions/11")
        assert [await says(http, path) for path in paths] == ["from 10", "from 9", "from 10", "404"]
        index = (await http.post("/v2/repository/index")).json()
        assert [(entry["version"], entry["state"]) for entry in index] == [("9", "READY"), ("10", "READY")]

        put_versions("11", load="raise ValueError('no such thing')")
        assert (await http.post("/v2/repository/models/m/load")).status_code == 422
        assert [await says(http, path) for path in paths] == ["from 10", "from 9", "from 10", "404"]
        put_versions("11")
        (tmp_path / "9" / "model-settings.json").unlink()
        (await http.post("/v2/repository/models/m/load")).raise_for_status()
        assert [await says(http, path) for path in paths] == ["from 11", "404", "from 10", "from 11"]


def test_the_environment_alone_makes_a_model_where_no_file_does(tmp_path: Path) -> None:
    assert names(tmp_path) == {}
    assert names(tmp_path, MLSERVER_MODEL_NAME="m") == {}
    assert names(tmp_path, MLSERVER_MODEL_NAME="m", MLSERVER_MODEL_IMPLEMENTATION="a.B") == {"m": None}


def test_files_go_before_variables_and_these_before_defaults(tmp_path: Path) -> None:
    file = tmp_path / "model-settings.json"
    put(file, {"implementation": "file.Model", "parameters": {"uri": "data", "mine": 1}})
    environ = {
        "MLSERVER_MODEL_IMPLEMENTATION": "env.Model",
        "MLSERVER_MODEL_NAME": "named",
        "MLSERVER_MODEL_URI": "no",
        "MLSERVER_MODEL_VERSION": "3",
        "MLSERVER_MODEL_EXTRA": '{"k": [1]}',
    }
    settings = ModelSettings.load(file, environ, tmp_path)
    assert (settings.implementation, settings.name, settings.version) == ("file.Model", "named", "3")
    assert settings.parameters is not None
    assert (settings.parameters.uri, settings.parameters.extra) == ("data", {"k": [1]})
    assert settings.parameters.model_extra == {"mine": 1}
    bare = ModelSettings.load(None, {"MLSERVER_MODEL_IMPLEMENTATION": "env.Model"}, tmp_path)
    assert (bare.name, bare.parameters and bare.parameters.uri) == (tmp_path.name, str(tmp_path))


@pytest.mark.parametrize(
    ("text", "environ", "told"),
    [
        ("[]", {}, "must hold a JSON object"),
        ("{", {}, "cannot be read"),
        ('{"parameters": 3}', {}, "parameters must be an object"),
        ("{}", {}, "implementation: Field required"),
        ("{}", {"MLSERVER_MODEL_EXTRA": "{"}, "MLSERVER_MODEL_EXTRA holds no JSON"),
    ],
)
def test_settings_that_are_wrong_name_file_or_variable(
    tmp_path: Path, text: str, environ: dict[str, str], told: str
) -> None:
    file = tmp_path / "model-settings.json"
    file.write_text(text)
    with pytest.raises(SettingsError, match=told):
        ModelSettings.load(file, environ, tmp_path)


async def test_a_model_uri_is_a_url_or_an_absolute_path_that_exists(tmp_path: Path) -> None:
    put(tmp_path / "model-settings.json", {"implementation": "a.B"})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "second.bin").touch()

    async def found(uri: str, *wellknown: str) -> str:
        put(tmp_path / "model-settings.json", {"implementation": "a.B", "parameters": {"uri": uri}})
        settings = ModelSettings.load(tmp_path / "model-settings.json", {}, tmp_path)
        return await get_model_uri(settings, wellknown_filenames=list(wellknown))

    data = tmp_path / "data"
    assert await found("data") == str(data)
    assert await found("data", "first.bin", "second.bin") == str(data / "second.bin")
    assert await found(f"file://{data}/second.bin") == str(data / "second.bin")
    assert await found("s3://bucket/key") == "s3://bucket/key"
    with pytest.raises(errors.InvalidModelURI, match="Invalid URI specified for model"):
        await found("absent")
    with pytest.raises(errors.InvalidModelURI):
        await get_model_uri(ModelSettings(implementation="a.B", name="m", parameters=ModelParameters()))


def test_a_request_keeps_nesting_and_parameters_and_carries_its_headers() -> None:
    inputs = [
        InferInput("j", [1, 2], "INT32", data=[[1, 2]], parameters={"content_type": "np", "k": 1}),
        InferInput("r", [1], "FP32", raw=b"\0\0\x80?"),
    ]
    request = InferRequest("m", inputs, "7", parameters={"p": 1}, request_outputs=[RequestedOutput("y")])
    payload = to_mlserver(request, {"x-a": "b"})
    assert payload.model_dump() == {
        "id": "7",
        "parameters": {"p": 1, "headers": {"x-a": "b"}},
        "inputs": [
            {
                "name": "j",
                "shape": [1, 2],
                "datatype": "INT32",
                "data": [[1, 2]],
                "parameters": {"content_type": "np", "k": 1},
            },
            {"name": "r", "shape": [1], "datatype": "FP32", "data": [1.0]},
        ],
        "outputs": [{"name": "y"}],
    }
    assert [type(payload.inputs[0].datatype), len(payload.inputs[0].data), payload.inputs[1].data[0]] == [str, 1, 1.0]
    with pytest.raises(InvalidInput, match="content_type"):
        to_mlserver(InferRequest("m", [InferInput("j", [1], "INT32", data=[1], parameters={"content_type": 3})]), {})


def test_a_response_gets_the_id_of_its_request_and_gives_up_its_headers() -> None:
    payload = types.InferenceRequest(id="7", inputs=[])
    outputs = [types.ResponseOutput(name="y", shape=[1], datatype="BYTES", data="one")]
    parameters = types.Parameters(headers={"x-a": 1}, k=2)
    response, headers = from_mlserver(
        types.InferenceResponse(model_name="m", parameters=parameters, outputs=outputs), payload, "m"
    )
    assert (response.id, response.parameters, headers) == ("7", {"k": 2}, {"x-a": "1"})
    assert response.outputs[0].data == ["one"]
    with pytest.raises(InferenceError, match="must answer an InferenceResponse"):
        from_mlserver({}, payload, "m")


def test_headers_are_put_into_a_request_and_taken_out_of_a_response() -> None:
    request = insert_headers(types.InferenceRequest(inputs=[]), {"a": "1"})
    assert request.parameters == types.Parameters(headers={"a": "1"})
    parameters = types.Parameters(headers={"b": "2"}, k=1)
    response = types.InferenceResponse(model_name="m", outputs=[], parameters=parameters)
    assert extract_headers(response) == {"b": "2"}
    assert (extract_headers(response), parameters.model_dump()) == (None, {"k": 1})


def test_the_folder_may_name_variables_and_settings_json_goes_before_the_environment(tmp_path: Path) -> None:
    put(tmp_path / "settings.json", {"http_port": 1, "debug": False})
    environ = {"HERE": str(tmp_path), "MLSERVER_HTTP_PORT": "2", "MLSERVER_GRPC_PORT": "3", "MLSERVER_DEBUG": "true"}
    for text in ("$HERE", "${HERE}"):
        start = Start.parse(["start", text], {**environ, "MLSERVER_GRPC_MAX_MESSAGE_LENGTH": "-1"})
        settings = start.server_settings()
        assert (start.folder, settings.http_port, settings.grpc_port) == (tmp_path, 1, 3)
        assert settings.grpc_stream_shape == "mlserver"
        assert (settings.access_log_format, settings.grpc_max_receive_message_length) == (None, -1)
    with pytest.raises(StartupError, match="NOWHERE"):
        Start.parse(["start", "${NOWHERE}/models"], environ)
    with pytest.raises(StartupError, match="grpc_port"):
        Start.parse(["start", "$HERE"], {**environ, "MLSERVER_GRPC_PORT": "many"})


async def test_a_name_that_no_file_has_is_unknown(tmp_path: Path) -> None:
    with folder_of(tmp_path) as folder, pytest.raises(ModelNotFound, match="names it"):
        await folder.open("m")


def test_a_class_may_stand_for_its_path_in_settings(tmp_path: Path) -> None:
    (tmp_path / "alone.py").write_text("from mooring_runtime.mlserver import MLModel\nclass Alone(MLModel): pass\n")
    found = Implementations().find("alone.Alone", tmp_path)
    assert ModelSettings(implementation=found).implementation == "alone.Alone"
    assert issubclass(found, MLModel)
    with pytest.raises(ModelLoadFailed):
        Implementations().find("alone.Nobody", tmp_path)


DECODED = """
from mooring_runtime.mlserver import MLModel
from mooring_runtime.mlserver.codecs import decode_args

class Mine(MLModel):
    @decode_args
    async def predict(self, texts: list[str]) -> list[str]:
        return [text.upper() for text in texts]
"""


async def test_a_model_of_decoded_arguments_answers_json_and_blames_the_client(tmp_path: Path, until: Until) -> None:
    put(tmp_path / "model-settings.json", {"name": "m", "implementation": "mine.Mine"})
    (tmp_path / "mine.py").write_text(DECODED)
    async with served(tmp_path) as http:
        await until(lambda: _ready(http))
        body = {"inputs": [{"name": "texts", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}]}
        (output,) = (await http.post("/v2/models/m/infer", json=body)).json()["outputs"]
        parameters = {"content_type": "str"}
        assert output == {
            "name": "output-0", "shape": [2, 1], "datatype": "BYTES", "parameters": parameters, "data": ["A", "B"]
        }  # fmt: skip
        answer = await http.post("/v2/models/m/infer", json=BODY)
        assert (answer.status_code, answer.json()["error"]) == (400, "Model with name m needs the inputs texts")


async def test_a_model_that_takes_its_flag_back_gets_no_more_requests_until_it_is_loaded_anew(
    tmp_path: Path, until: Until
) -> None:
    write(tmp_path / "m", "m", predict="self.ready = False; " + ANSWER, says="once")
    async with served(tmp_path) as http:
        await until(lambda: _ready(http))
        assert await ask(http, "m") == "once"
        assert (await http.get("/v2/models/m/ready")).status_code == 503
        assert (await http.post("/v2/models/m/infer", json=BODY)).status_code == 503
        (await http.post("/v2/repository/models/m/load")).raise_for_status()
        assert await ask(http, "m") == "once"
