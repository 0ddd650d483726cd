"""Triton's extensions over both transports, by its own clients; and bytes that are no message."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc.aio as triton_grpc
import tritonclient.http.aio as triton_http
from tritonclient.utils import InferenceServerException

from mooring_runtime import InferOutput, InferResponse, Model
from mooring_runtime.grpc_api.messages import SERVICE
from mooring_runtime.logging import logger

Serve = Callable[..., AbstractAsyncContextManager[Any]]


class Scores(Model):
    """Answers its input as the scores of classes."""

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return InferResponse(None, self.name, [InferOutput.from_numpy("scores", payload.inputs[0].as_numpy())])

    def get_input_types(self) -> Any:
        return [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]

    def get_output_types(self) -> Any:
        return [{"name": "scores", "datatype": "FP32", "shape": [-1, 3], "labels": ["cat", "dog"]}]


@pytest.fixture
async def server(serve_ready: Serve) -> AsyncIterator[Any]:
    async with serve_ready(Scores("scores")) as running:
        yield running


CLIENTS = {"http": (triton_http, "http_port"), "grpc": (triton_grpc, "grpc_port")}


@pytest.fixture(params=CLIENTS)
async def client(server: Any, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    module, port = CLIENTS[request.param]
    async with module.InferenceServerClient(f"127.0.0.1:{getattr(server.address, port)}") as made:
        made.module = module
        yield made


def plain(answer: Any) -> Any:
    """A REST answer as it is, a gRPC one as the same document: there, zeros are left out and numbers are text."""
    if isinstance(answer, list):
        return [plain(item) for item in answer]
    if isinstance(answer, dict):
        return {key: plain(value) for key, value in answer.items() if plain(value) not in ("", 0, {}, "0")}
    return int(answer) if isinstance(answer, str) and answer.lstrip("-").isdecimal() else answer


async def infer(client: Any, **wish: Any) -> Any:
    tensor = client.module.InferInput("x", [2, 3], "FP32")
    tensor.set_data_from_numpy(np.array([[0.5, 2, -1], [3, 1, 2]], np.float32))
    outputs = [client.module.InferRequestedOutput("scores", **wish)]
    return (await client.infer("scores", [tensor], outputs=outputs)).as_numpy("scores")


async def test_outputs_become_classes_with_their_labels(client: Any) -> None:
    assert (await infer(client, class_count=2)).tolist() == [
        [b"2.000000:1:dog", b"0.500000:0:cat"],
        [b"3.000000:0:cat", b"2.000000:2"],
    ]
    assert (await infer(client)).dtype == np.float32


async def test_the_configuration_is_the_declaration(client: Any) -> None:
    config = plain(await client.get_model_config("scores", **as_json(client)))
    assert config.get("config", config) == {
        "name": "scores",
        "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 3]}],
        "output": [{"name": "scores", "data_type": "TYPE_FP32", "dims": [-1, 3]}],
    }


def as_json(client: Any) -> dict[str, bool]:
    return {"as_json": True} if client.module is triton_grpc else {}


async def test_statistics_count_requests_by_how_they_ended(client: Any) -> None:
    assert plain(await client.get_inference_statistics(**as_json(client))) == {"model_stats": [{"name": "scores"}]}
    await infer(client)
    with pytest.raises(InferenceServerException):
        await infer(client, class_count=-1)
    (done,) = plain(await client.get_inference_statistics("scores", **as_json(client)))["model_stats"]
    assert (done["inference_count"], done["execution_count"]) == (1, 1)
    assert {end: tally["count"] for end, tally in done["inference_stats"].items()} == {"success": 1, "fail": 1}
    assert done["inference_stats"]["success"]["ns"] > 0
    assert done["last_inference"] > 1_700_000_000_000
    with pytest.raises(InferenceServerException, match="Model with name absent does not exist"):
        await client.get_inference_statistics("absent")


async def test_log_settings_change_what_is_logged(client: Any) -> None:
    level = logger.level
    try:
        await client.update_log_settings({"log_verbose_level": 1})
        assert logger.getEffectiveLevel() == 10
        with pytest.raises(InferenceServerException, match="no log setting colour"):
            await client.update_log_settings({"colour": True})
        told = await client.get_log_settings(**as_json(client))
        assert told.get("settings", told)["log_verbose_level"] in (1, {"uint32_param": 1})
    finally:
        logger.setLevel(level)


async def test_rest_says_what_is_wrong_with_log_settings(server: Any) -> None:
    for body, text in (("{", "Unrecognized request format"), ("[]", "JSON object"), ('{"log_info": 1}', "log_info")):
        answer = await server.http.post("/v2/logging", content=body)
        assert (answer.status_code, text in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize("method", ["ModelInfer", "ModelReady", "RepositoryIndex", "ModelStreamInfer"])
async def test_bytes_that_are_no_message_are_the_client_s_fault(server: Any, method: str) -> None:
    async with grpc.aio.insecure_channel(server.grpc_target) as channel:
        call = channel.unary_stream(f"/{SERVICE}/{method}")(b"\xff\xff", timeout=20)  # on the wire as a unary one
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await anext(aiter(call))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
