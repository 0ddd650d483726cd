"""The SDK's clients against real servers, and a request's ways to the wire and back."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_runtime import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferenceServerClient,
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
    Model,
    RequestedOutput,
    RESTConfig,
)
from mooring_runtime.errors import InvalidInput
from mooring_runtime.utils.numpy_codec import from_np_dtype, to_np_dtype
from mooring_runtime.utils.utils import get_predict_input, get_predict_response, strtobool

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


class Echo(Model):
    """Answers every input as an output, or v1 instances as they are."""

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        if isinstance(payload, InferRequest):
            outputs = [InferOutput(t.name, t.shape, t.datatype, t.as_numpy()) for t in payload.inputs]
            return InferResponse(payload.id, self.name, outputs, requested_outputs=payload.request_outputs)
        return {"predictions": payload["instances"]}


async def is_ready(server: Any) -> bool:
    return bool((await server.http.get("/v2/health/ready")).status_code == 200)


def numbers(binary: bool) -> InferRequest:
    tensor = InferInput("x", [2, 2], "FP32")
    tensor.set_data_from_numpy(np.array([[1.5, 2], [3, 4]], dtype=np.float32), binary_data=binary)
    text = InferInput("t", [2], "BYTES", data=["a", "b"])
    return InferRequest("m", [tensor, text], "id-1", parameters={"p": 1})


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
async def test_the_rest_client_speaks_v2(serve_models: Serve, until: Until, binary: bool) -> None:
    async with serve_models(Echo("m")) as server, InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        await until(lambda: is_ready(server))
        base = f"http://127.0.0.1:{server.address.http_port}"
        told: dict[str, str] = {}
        answer = await client.infer(base, numbers(binary), response_headers=told)
        assert isinstance(answer, InferResponse)
        assert answer.id == "id-1"
        np.testing.assert_array_equal(answer.outputs[0].as_numpy(), [[1.5, 2], [3, 4]])
        assert answer.outputs[1].data == ["a", "b"]
        assert told["content-type"] == "application/json"
        assert await client.is_server_live(base)
        assert await client.is_server_ready(base)
        assert await client.is_model_ready(base, "m")
        assert not await client.is_model_ready(base, "stranger")
        with pytest.raises(httpx.HTTPStatusError, match="Model with name stranger does not exist"):
            await client.infer(base, {"inputs": []}, model_name="stranger")
        with pytest.raises(ValueError, match="no explain"):
            await client.explain(base, "m", {})


async def test_the_rest_client_speaks_v1(serve_models: Serve, until: Until) -> None:
    async with serve_models(Echo("m")) as server, InferenceRESTClient() as client:
        await until(lambda: is_ready(server))
        base = f"http://127.0.0.1:{server.address.http_port}/"
        assert await client.infer(base, {"instances": [1]}, model_name="m") == {"predictions": [1]}
        whole = f"{base}v1/models/m:predict"
        assert await client.infer(whole, {"instances": [2]}, is_graph_endpoint=True) == {"predictions": [2]}
        assert await client.is_server_live(base)
        assert await client.is_model_ready(base, "m")
        assert not await client.is_model_ready(base, "stranger")
        with pytest.raises(ValueError, match="no server readiness"):
            await client.is_server_ready(base)
        with pytest.raises(httpx.InvalidURL, match="absolute"):
            await client.infer("127.0.0.1:80", {"instances": []}, model_name="m")
        with pytest.raises(ValueError, match="model_name"):
            await client.infer(base, {"instances": []})


async def test_the_rest_client_tries_again_to_connect(free_port: int) -> None:
    async with InferenceRESTClient(RESTConfig(retries=1)) as client:
        with pytest.raises(httpx.ConnectError):
            await client.is_server_live(f"http://127.0.0.1:{free_port}")


@pytest.mark.parametrize("binary", [True, False], ids=["raw", "array"])
async def test_the_grpc_client_infers_and_asks_for_health(serve_models: Serve, until: Until, binary: bool) -> None:
    async with serve_models(Echo("m")) as server, InferenceGRPCClient(server.grpc_target) as client:
        await until(lambda: is_ready(server))
        request = numbers(binary)
        request.request_outputs = [RequestedOutput("t"), RequestedOutput("x")]
        answer = await client.infer(request, headers={"X-Mine": "1"})
        assert [output.name for output in answer.outputs] == ["t", "x"]
        np.testing.assert_array_equal(answer.outputs[1].as_numpy(), [[1.5, 2], [3, 4]])
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("m")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.infer(InferRequest("stranger", []))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_the_blocking_client_answers_the_protocol_s_message(serve_models: Serve, until: Until) -> None:
    async with serve_models(Echo("m")) as server:
        await until(lambda: is_ready(server))

        def ask() -> list[Any]:
            client = InferenceServerClient(server.grpc_target)
            try:
                typed = InferInput("x", [2], "INT64", data=[1, 2])
                answer = client.infer(infer_request=InferRequest(infer_inputs=[typed], model_name="m"))
                return [
                    list(answer.outputs[0].contents.int64_contents),
                    client.is_server_live(),
                    client.is_server_ready(),
                    client.is_model_ready("m"),
                ]
            finally:
                client.close()

        assert await asyncio.to_thread(ask) == [[1, 2], True, True, True]


ARRAYS = st.sampled_from(["bool", "int8", "uint16", "int64", "float16", "float32", "float64"]).flatmap(
    lambda kind: st.lists(st.integers(0, 1), max_size=6).map(lambda values: np.array(values, dtype=kind))
)


@given(arrays=st.lists(ARRAYS, min_size=1, max_size=3))
def test_a_binary_request_comes_back_from_its_bytes(arrays: list[Any]) -> None:
    inputs = []
    for position, array in enumerate(arrays):
        tensor = InferInput(f"t{position}", list(array.shape), from_np_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    body, json_length = InferRequest("m", inputs, "i").to_rest()
    assert isinstance(body, bytes)
    assert json_length is not None
    back = InferRequest.from_bytes(body, json_length, "m")
    assert (back.id, back.inputs) == ("i", inputs)


@given(array=ARRAYS)
def test_a_response_comes_back_from_rest_and_from_grpc(array: Any) -> None:
    output = InferOutput.from_numpy("y", array)
    binary, json_length = InferResponse("i", "m", [output], use_binary_outputs=True).to_rest()
    assert isinstance(binary, bytes)
    assert json_length is not None
    plain = InferResponse("i", "m", [output])
    for back in (InferResponse.from_bytes(binary, json_length), InferResponse.from_grpc_message(plain.to_grpc())):
        assert (back.id, back.model_name, back.outputs) == ("i", "m", [output])
    document, none = InferResponse("i", "m", [InferOutput("y", [1], "FP32", data=[1.5])]).to_rest()
    assert none is None
    assert isinstance(document, dict)
    assert InferResponse.from_rest(document).outputs[0].data == [1.5]


def test_raw_bytes_may_come_apart_from_their_tensors() -> None:
    request = InferRequest("m", [InferInput("x", [1], "INT32")], raw_inputs=[b"\1\0\0\0"])
    assert request.inputs[0].data == [1]
    with pytest.raises(InvalidInput, match="do not fit 2 raw"):
        InferRequest("m", [InferInput("x", [1], "INT32")], raw_inputs=[b"", b""])


def test_an_output_that_is_not_there_cannot_be_requested() -> None:
    with pytest.raises(InvalidInput, match="Unexpected inference output 'z' for model 'm'"):
        InferResponse(None, "m", [], requested_outputs=[RequestedOutput("z")])


def test_text_is_read_row_by_row() -> None:
    tensor = InferInput("t", [2, 1], "BYTES", data=[["é"], ["b"]])
    assert tensor.as_string() == [["é"], ["b"]]
    with pytest.raises(InvalidInput, match="only BYTES"):
        InferInput("x", [1], "INT8", data=[1]).as_string()
    with pytest.raises(InvalidInput, match="utf-8"):
        InferInput("t", [1], "BYTES", data=[b"\xff"]).as_string()


@pytest.mark.parametrize("datatype", ["BOOL", "INT8", "UINT64", "FP16", "FP32", "BYTES"])
def test_datatypes_and_numpy_types_translate_both_ways(datatype: str) -> None:
    assert from_np_dtype(to_np_dtype(datatype)) == datatype


def test_payloads_are_read_and_answered_in_their_own_protocol() -> None:
    v2 = InferRequest("m", [InferInput("x", [2], "FP32", data=[1, 2])], "i-1")
    np.testing.assert_array_equal(get_predict_input(v2), [1, 2])
    np.testing.assert_array_equal(get_predict_input({"instances": [[1], [2]]}), [[1], [2]])
    assert get_predict_input(InferRequest("m", [InferInput("t", [1], "BYTES", data=["a"])])) == ["a"]
    assert get_predict_response({"instances": []}, np.array([1, 2]), "m") == {"predictions": [1, 2]}
    answer = get_predict_response(v2, np.array([3.0], dtype=np.float32), "m")
    assert (answer.id, answer.outputs[0].name, answer.outputs[0].data) == ("i-1", "output-0", [3.0])


def test_truth_values_are_read_or_refused() -> None:
    assert strtobool("yes")
    with pytest.raises(ValueError, match="maybe"):
        strtobool("maybe")


@pytest.mark.parametrize(
    ("result", "datatype", "data"),
    [
        (np.array([[1.5, 2.0]], np.float32), "FP32", [1.5, 2.0]),
        ([[3, 4]], "INT64", [3, 4]),
        (np.array([["a", "b"]]), "BYTES", ["a", "b"]),
    ],
    ids=["floats", "list", "text"],
)
def test_a_v2_answer_is_one_output_with_the_request_s_id(result: Any, datatype: str, data: list[Any]) -> None:
    answer = get_predict_response(InferRequest("m", [], "7"), result, "m")
    (output,) = answer.outputs
    assert (answer.id, output.name, output.datatype, output.shape) == ("7", "output-0", datatype, (1, 2))
    assert list(output.as_numpy().ravel()) == data


def test_a_v2_answer_of_no_datatype_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no datatype"):
        get_predict_response(InferRequest("m", []), [{"a": 1}], "m")
