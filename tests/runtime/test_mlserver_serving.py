"""What models written for MLServer do beside `predict`: streams, handlers and metrics of their own."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from tests.runtime.conftest import Server
from tests.runtime.test_mlserver import BODY, Until, served_folder

from mooring_runtime.grpc_api.messages import REPOSITORY_SERVICE, SERVICE, message
from mooring_runtime.mlserver import log
from mooring_runtime.mlserver.metrics import InvalidModelContext

MODEL = """
import asyncio
import threading
from starlette.requests import Request
import mooring_runtime.mlserver as mlserver
from mooring_runtime.mlserver import MLModel, types
from mooring_runtime.mlserver.errors import InferenceError
from mooring_runtime.mlserver.handlers import custom_handler

def answer(model, value):
    output = {"name": "y", "shape": [1], "datatype": "INT64", "data": [value]}
    return types.InferenceResponse(model_name=model.name, outputs=[output])

class Mine(MLModel):
    async def load(self):
        mlserver.register("VERSION_described", "in words of the model")
        mlserver.log(VERSION_described=0.25)
        return True

    async def predict(self, payload):
        mlserver.log(VERSION_described=1, VERSION_undescribed=2)
        PREDICTED
        if payload.inputs[0].data[0] < 0:
            raise InferenceError("less than nothing")
        return answer(self, 7)

    async def predict_stream(self, payloads):
        async for payload in payloads:
            for i in range(payload.inputs[0].data[0]):
                mlserver.log(VERSION_streamed=i)
                yield answer(self, i)
            if i == 2:
                raise InferenceError("no further")

    @custom_handler(rest_path="/VERSION/add/{a}")
    async def add(self, a: int, b: int = 1) -> int:
        mlserver.log(VERSION_added=a)
        return a + b

    @custom_handler(rest_path="/VERSION/told", rest_method="GET")
    def told(self):
        return {"model": self.name, "thread": threading.current_thread().name}

    @custom_handler(rest_path="/VERSION/body")
    async def body(self, request: Request) -> dict:
        return {"got": await request.json()}

    @custom_handler(rest_path="/VERSION/fail", rest_method="GET")
    async def fail(self, how: str):
        raise InferenceError("not like this") if how == "known" else KeyError("k")
"""


def put(folder: Path, name: str, version: str = "one", predicted: str = "pass") -> None:
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(MODEL.replace("VERSION", f"{name}_{version}").replace("PREDICTED", predicted))
    settings = {"name": name, "implementation": "mine.Mine", "parameters": {"version": "3"}}
    (folder / "model-settings.json").write_text(json.dumps(settings))


@asynccontextmanager
async def ready_server(root: Path, until: Until) -> AsyncIterator[Server]:
    async with served_folder(root) as server:

        async def is_ready() -> bool:
            return await server.running.dataplane.is_ready()

        await until(is_ready)
        yield server


@asynccontextmanager
async def ready(root: Path, until: Until) -> AsyncIterator[httpx.AsyncClient]:
    async with ready_server(root, until) as server:
        yield server.http


def body(value: int) -> dict[str, object]:
    return {"inputs": [{"name": "x", "shape": [1], "datatype": "INT64", "data": [value]}]}


async def events(http: httpx.AsyncClient, name: str, value: int) -> list[dict[str, object]]:
    answer = await http.post(f"/v2/models/{name}/infer_stream", json=body(value))
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]


async def test_predict_stream_answers_piece_by_piece_over_rest(tmp_path: Path, until: Until) -> None:
    put(tmp_path / "m", "streams")
    async with ready(tmp_path, until) as http:
        pieces = await events(http, "streams", 2)
        assert [piece["outputs"][0]["data"] for piece in pieces] == [[0], [1]]  # type: ignore[index]
        *pieces, error = await events(http, "streams", 3)
        assert [piece["outputs"][0]["data"] for piece in pieces] == [[0], [1], [2]]  # type: ignore[index]
        assert "no further" in str(error["error"])
        text = (await http.get("/metrics")).text
        assert 'streams_one_streamed_count{model_name="streams",model_version="3"} 5.0' in text


async def test_a_model_without_predict_stream_streams_its_one_answer(tmp_path: Path, until: Until) -> None:
    put(tmp_path / "m", "plain")
    file = tmp_path / "m" / "mine.py"
    file.write_text(file.read_text().replace("def predict_stream", "def something_else"))
    async with ready(tmp_path, until) as http:
        pieces = await events(http, "plain", 1)
        assert [piece["outputs"][0]["data"] for piece in pieces] == [[7]]  # type: ignore[index]


async def test_metrics_of_a_model_and_of_its_requests_are_on_the_server_s_page(tmp_path: Path, until: Until) -> None:
    own = "from prometheus_client import Counter; Counter('made_by_the_model', '').inc()"
    put(tmp_path / "m", "counted", predicted=f"if payload.inputs[0].data[0] == 1: {own}")
    async with ready(tmp_path, until) as http:
        assert (await http.post("/v2/models/counted/infer", json=BODY)).status_code == 200
        assert (await http.post("/v2/models/counted/infer", json=body(-1))).status_code == 400
        assert (await http.post("/counted_one/add/3")).json() == 4
        lines = (await http.get("/metrics")).text.splitlines()
        of_model = 'model_name="counted",model_version="3"'
        expected = [
            "# HELP counted_one_described in words of the model",
            f"counted_one_described_count{{{of_model}}} 3.0",
            f"counted_one_described_sum{{{of_model}}} 2.25",
            f"counted_one_undescribed_sum{{{of_model}}} 4.0",
            f"counted_one_added_sum{{{of_model}}} 3.0",
            "made_by_the_model_total 1.0",
            'model_infer_request_success_total{model="counted",version="3"} 1.0',
            'model_infer_request_failure_total{model="counted",version="3"} 1.0',
            'model_infer_request_duration_count{model="counted",version="3"} 2.0',
        ]
        assert [line for line in expected if lines.count(line) != 1] == []


def test_to_log_a_metric_takes_a_model() -> None:
    with pytest.raises(InvalidModelContext):
        log(nobodys=1)


async def test_custom_handlers_answer_on_their_model_s_thread(tmp_path: Path, until: Until) -> None:
    put(tmp_path / "m", "handles")
    async with ready(tmp_path, until) as http:
        assert (await http.post("/handles_one/add/3", params={"b": 4})).json() == 7
        assert (await http.post("/handles_one/add/three")).status_code == 422
        assert (await http.get("/handles_one/add/3")).status_code == 405
        assert (await http.get("/handles_one/told")).json() == {"model": "handles", "thread": "model-handles"}
        assert (await http.post("/handles_one/body", json=[1])).json() == {"got": [1]}
        for how, status, text in (("known", 400, "not like this"), ("unknown", 500, "KeyError : 'k'")):
            answer = await http.get("/handles_one/fail", params={"how": how})
            assert (answer.status_code, answer.json()["error"]) == (status, text)
        assert (await http.get("/v2/models/handles/ready")).status_code == 200


async def test_handlers_come_and_go_with_their_version_of_the_model(tmp_path: Path, until: Until) -> None:
    put(tmp_path / "m", "moves")
    async with ready(tmp_path, until) as http:
        put(tmp_path / "m", "moves", "two")
        (await http.post("/v2/repository/models/moves/load")).raise_for_status()
        assert (await http.post("/moves_two/add/1")).json() == 2

        async def is_gone() -> bool:
            return (await http.post("/moves_one/add/1")).status_code == 404

        await until(is_gone)
        (await http.post("/v2/repository/models/moves/unload")).raise_for_status()
        assert (await http.post("/moves_two/add/1")).status_code == 404


def tensor(value: int) -> dict[str, object]:
    """One value; a negative one in a tensor that it does not fit."""
    return {"name": "x", "shape": [2 if value < 0 else 1], "datatype": "INT64", "contents": {"int64_contents": [value]}}


Asked = Callable[..., Awaitable[list[tuple[str, int]]]]


@asynccontextmanager
async def streaming(root: Path, until: Until, model: str) -> AsyncIterator[Asked]:
    """Ask `model` for values by one stream in MLServer's shape; answers ids and values."""
    async with ready_server(root, until) as server, grpc.aio.insecure_channel(server.grpc_target) as channel:
        stream = channel.stream_stream(
            f"/{SERVICE}/ModelStreamInfer",
            request_serializer=message("ModelInferRequest").SerializeToString,
            response_deserializer=message("ModelInferResponse").FromString,
        )

        async def asked(*values: int) -> list[tuple[str, int]]:
            kind = message("ModelInferRequest")
            requests = [kind(model_name=model, id=str(value), inputs=[tensor(value)]) for value in values]
            answers = [answer async for answer in stream(requests, metadata=(("mooring-stream-shape", "mlserver"),))]
            return [(answer.id, answer.outputs[0].contents.int64_contents[0]) for answer in answers]

        yield asked


async def test_predict_stream_takes_all_requests_of_a_grpc_stream_under_the_first_one_s_id(
    tmp_path: Path, until: Until
) -> None:
    put(tmp_path / "m", "bare")
    async with streaming(tmp_path, until, "bare") as asked:
        assert await asked(2, 1) == [("2", 0), ("2", 1), ("2", 0)]
        assert await asked() == []
        with pytest.raises(grpc.aio.AioRpcError, match="no further") as caught:
            await asked(3)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_model_without_predict_stream_answers_each_request_of_a_stream(tmp_path: Path, until: Until) -> None:
    put(tmp_path / "m", "each")
    file = tmp_path / "m" / "mine.py"
    file.write_text(file.read_text().replace("def predict_stream", "def something_else"))
    async with streaming(tmp_path, until, "each") as asked:
        assert await asked(2, 1) == [("2", 7), ("1", 7)]


ADDS = """
from mooring_runtime.mlserver import MLModel, types

class Adds(MLModel):
    async def predict_stream(self, payloads):
        total = 0
        async for payload in payloads:
            total += payload.inputs[0].data[0]
            if total > 9:
                break
        output = {"name": "y", "shape": [1], "datatype": "INT64", "data": [total]}
        yield types.InferenceResponse(model_name=self.name, outputs=[output])
"""


async def test_a_model_may_answer_many_requests_once_and_leave_some_unread(tmp_path: Path, until: Until) -> None:
    (tmp_path / "adds.py").write_text(ADDS)
    (tmp_path / "model-settings.json").write_text(json.dumps({"name": "adds", "implementation": "adds.Adds"}))
    async with streaming(tmp_path, until, "adds") as asked:
        assert await asked(1, 2, 3) == [("1", 6)]
        assert await asked(5, 6, 7) == [("5", 11)]
        with pytest.raises(grpc.aio.AioRpcError, match="shape"):
            await asked(1, -1)


async def test_a_draining_server_ends_a_conversation_after_what_was_asked(tmp_path: Path, until: Until) -> None:
    put(tmp_path / "m", "drained")
    async with ready_server(tmp_path, until) as server, grpc.aio.insecure_channel(server.grpc_target) as channel:
        call = channel.stream_stream(
            f"/{SERVICE}/ModelStreamInfer",
            request_serializer=message("ModelInferRequest").SerializeToString,
            response_deserializer=message("ModelInferResponse").FromString,
        )(metadata=(("mooring-stream-shape", "mlserver"),))
        await call.write(message("ModelInferRequest")(model_name="drained", inputs=[tensor(1)]))
        assert (await call.read()).outputs[0].contents.int64_contents[0] == 0
        server.running.dataplane.draining.set()
        async with asyncio.timeout(20):
            assert await call.read() is grpc.aio.EOF
            assert await call.code() is grpc.StatusCode.OK


async def test_a_draining_server_ends_a_stream_without_requests(tmp_path: Path, until: Until) -> None:
    async with ready_server(tmp_path, until) as server, grpc.aio.insecure_channel(server.grpc_target) as channel:
        call = channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")(metadata=(("mooring-stream-shape", "mlserver"),))
        await call.wait_for_connection()
        server.running.dataplane.draining.set()
        async with asyncio.timeout(20):
            assert await call.code() is grpc.StatusCode.UNAVAILABLE


async def test_mlserver_s_older_repository_service_is_the_newer_one(tmp_path: Path, until: Until) -> None:
    put(tmp_path / "m", "older")
    async with ready_server(tmp_path, until) as server, grpc.aio.insecure_channel(server.grpc_target) as channel:

        async def call(method: str, **fields: object) -> Any:
            send = channel.unary_unary(
                f"/{REPOSITORY_SERVICE}/{method}",
                request_serializer=message(f"{method}Request").SerializeToString,
                response_deserializer=message(f"{method}Response").FromString,
            )
            return await send(message(f"{method}Request")(**fields))

        assert [(model.name, model.state) for model in (await call("RepositoryIndex")).models] == [("older", "READY")]
        await call("RepositoryModelUnload", model_name="older")
        assert list((await call("RepositoryIndex")).models) == []
        await call("RepositoryModelLoad", model_name="older")
        assert (await server.http.get("/v2/models/older/ready")).status_code == 200
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call("RepositoryModelLoad", model_name="nobody")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
