"""Models that answer nonsense, or try to take the process with them: each client sees whose fault it is."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.runtime.launched import launched

from mooring_runtime import InferInput, InferOutput, InferRequest, InferResponse, Model
from mooring_runtime.grpc_client import InferenceGRPCClient

V2 = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}


def tensor(**changes: Any) -> dict[str, Any]:
    return {"outputs": [{"name": "y", "shape": [1], "datatype": "FP32", "data": [1.0]} | changes]}


def endless() -> Any:
    items: list[Any] = []
    items.append(items)
    return {"predictions": items}


def leaves(kind: type[BaseException]) -> Callable[[], Any]:
    def answer() -> Any:
        raise kind("bye")

    return answer


V1_NONSENSE: Mapping[str, tuple[Callable[[], Any], str]] = {
    "object": (object, "answered what cannot be sent: Type is not JSON serializable: object"),
    "object inside": (lambda: {"predictions": [object()]}, "not JSON serializable: object"),
    "set": (lambda: {"predictions": {1}}, "not JSON serializable: set"),
    "bytes inside": (lambda: {"predictions": [b"x"]}, "not JSON serializable: bytes"),
    "key": (lambda: {1: 2}, "Dict key must be str"),
    "huge": (lambda: {"predictions": [2**70]}, "Integer exceeds 64-bit range"),
    "endless": (endless, "Recursion limit"),
    "no text": (lambda: {"predictions": ["\ud800"]}, "not valid UTF-8"),
    "shape": (lambda: InferResponse("1", "m", [InferOutput("y", [3], "FP32", [1.0])]), "shape [3] takes 3 elements"),
    "no outputs": (lambda: InferResponse("1", "m", [3]), "no attribute 'name'"),  # type: ignore[list-item]
}

V2_NONSENSE: Mapping[str, tuple[Callable[[], Any], str]] = {
    "nothing": (lambda: None, "answered a NoneType to a v2 request"),
    "object": (object, "answered a object to a v2 request"),
    "v1": (lambda: {"predictions": [1]}, "answered a dict to a v2 request"),
    "outputs of objects": (lambda: {"outputs": [object()]}, "TypeError"),
    "no tensors": (lambda: InferResponse("1", "m", [3]), "no attribute 'as_numpy'"),  # type: ignore[list-item]
    "no data": (lambda: {"outputs": [{"name": "y", "shape": [1], "datatype": "FP32"}]}, "KeyError : 'data'"),
    "shape": (lambda: tensor(shape=[2]), "'y': shape [2] takes 2 elements, data has 1"),
    "negative shape": (lambda: tensor(shape=[-1]), "'y': shape must be a list of whole numbers"),
    "datatype": (lambda: tensor(datatype="FP31"), "'y': unknown datatype 'FP31'"),
    "no numbers": (lambda: tensor(data=["a"]), "'y': data holds values that are not FP32"),
    "too large": (lambda: tensor(datatype="INT8", data=[1000]), "'y': data holds values that are not INT8"),
    "huge": (lambda: tensor(datatype="INT64", data=[2**70]), "'y': data holds values that are not INT64"),
    "parameters": (lambda: tensor(parameters=[1]), "TypeError"),
}

LEAVING = {
    "exit": (leaves(SystemExit), "SystemExit : bye"),
    "interrupt": (leaves(KeyboardInterrupt), "KeyboardInterrupt : bye"),
    "memory": (leaves(MemoryError), "MemoryError : bye"),
    "recursion": (leaves(RecursionError), "RecursionError : bye"),
}


class Says(Model):
    def __init__(self, answer: Callable[[], Any]) -> None:
        super().__init__("m")
        self.answer = answer

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return self.answer() if headers.get("x-now") else {"predictions": [1]}


NOW = {"x-now": "1"}


async def told_by_grpc(target: str) -> tuple[grpc.StatusCode, str]:
    async with InferenceGRPCClient(target, retries=0) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.infer(InferRequest("m", [InferInput("x", [1], "FP32", [1.0])]), headers=NOW)
        return caught.value.code(), str(caught.value.details())


@pytest.mark.parametrize(("answer", "text"), V1_NONSENSE.values(), ids=V1_NONSENSE)
async def test_v1_nonsense_is_the_model_s_fault_by_name(serve_ready: Any, answer: Callable[[], Any], text: str) -> None:
    async with serve_ready(Says(answer)) as server:
        told = await server.http.post("/v1/models/m:predict", json={"instances": []}, headers=NOW)
        assert told.status_code == 500
        assert told.json()["error"].startswith("Model with name m answered ")
        assert text in told.json()["error"]
        assert (await server.http.post("/v1/models/m:predict", json={"instances": []})).status_code == 200


@pytest.mark.parametrize(("answer", "text"), V2_NONSENSE.values(), ids=V2_NONSENSE)
async def test_v2_nonsense_is_the_model_s_fault_by_name(serve_ready: Any, answer: Callable[[], Any], text: str) -> None:
    async with serve_ready(Says(answer)) as server:
        told = await server.http.post("/v2/models/m/infer", json=V2, headers=NOW)
        assert told.status_code == 500
        error = told.json()["error"]
        assert error.startswith("Model with name m answered ")
        assert text in error
        assert await told_by_grpc(server.grpc_target) == (grpc.StatusCode.INTERNAL, error)


async def test_parameters_that_are_no_json_are_the_model_s_fault_too(serve_ready: Any) -> None:
    async with serve_ready(Says(lambda: tensor(parameters={"p": object()}))) as server:
        told = await server.http.post("/v2/models/m/infer", json=V2, headers=NOW)
        assert told.status_code == 500
        assert "Model with name m answered what cannot be sent" in told.json()["error"]


async def test_numbers_that_json_lacks_are_null_there_and_themselves_over_grpc(serve_ready: Any) -> None:
    async with serve_ready(Says(lambda: tensor(shape=[2], data=[float("nan"), float("inf")]))) as server:
        told = await server.http.post("/v2/models/m/infer", json=V2, headers=NOW)
        assert told.json()["outputs"][0]["data"] == [None, None]
        async with InferenceGRPCClient(server.grpc_target) as client:
            request = InferRequest("m", [InferInput("x", [1], "FP32", [1.0])])
            answer = await client.infer(request, headers=NOW)
        assert [str(value) for value in answer.outputs[0].as_numpy()] == ["nan", "inf"]


@pytest.mark.parametrize(("answer", "text"), LEAVING.values(), ids=LEAVING)
async def test_a_handler_that_tries_to_leave_ends_its_request_alone(
    serve_ready: Any, answer: Callable[[], Any], text: str
) -> None:
    async with serve_ready(Says(answer)) as server:
        v1 = await server.http.post("/v1/models/m:predict", json={"instances": []}, headers=NOW)
        v2 = await server.http.post("/v2/models/m/infer", json=V2, headers=NOW)
        assert [(told.status_code, told.json()) for told in (v1, v2)] == [(500, {"error": text})] * 2
        assert await told_by_grpc(server.grpc_target) == (grpc.StatusCode.INTERNAL, text)
        assert (await server.http.post("/v1/models/m:predict", json={"instances": []})).status_code == 200
        assert (await server.http.get("/v2/health/ready")).status_code == 200


SIGNALS_ITSELF = """
import os, signal
from mooring_runtime import Model, ModelServer

class M(Model):
    def predict(self, payload, headers=None):
        os.kill(os.getpid(), getattr(signal, payload["instances"][0]))
        return {"predictions": [1]}

ModelServer().start([M("m")])
"""


def test_a_handler_that_signals_its_process_to_stop_still_answers(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(SIGNALS_ITSELF)
    with launched(tmp_path / "serve.py") as server:  # which sees that it ends in order
        answer = server.http.post("/v1/models/m:predict", json={"instances": ["SIGTERM"]})
        assert answer.json() == {"predictions": [1]}
