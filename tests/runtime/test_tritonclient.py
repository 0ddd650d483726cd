"""Triton's clients, from their wheel, against servers of ours: what they send, understand and expect is not our say."""

import asyncio
import queue
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from mooring_api.v2 import Datatype
from mooring_runtime import InferOutput, InferRequest, InferResponse, Model
from mooring_runtime.codec import as_bytes
from mooring_runtime.datatypes import NUMPY_TYPES, Array
from mooring_runtime.grpc_api.messages import message

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

NO_JSON_FORM = ("FP16", "BF16")
"""Triton's client refuses to send these as JSON."""


def example(datatype: Datatype) -> Array:
    """Three elements, the outermost ones where there are such."""
    dtype = NUMPY_TYPES[datatype]
    if dtype.kind in "iu":
        return np.array([np.iinfo(dtype).min, 1, np.iinfo(dtype).max], dtype)
    if dtype.kind == "f":  # bfloat16 holds them exactly too
        return np.array([-0.5, 0, 384], dtype)
    return np.array([True, False, True]) if dtype.kind == "b" else np.array([b"a", b"", "é".encode()], np.object_)


EXAMPLES = {datatype.value: example(datatype) for datatype in NUMPY_TYPES}


class Echo(Model):
    """Answers its inputs and its parameters."""

    def load(self) -> bool:
        self.ready = True
        return self.ready

    def get_input_types(self) -> list[dict[str, Any]]:
        return [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        assert isinstance(payload, InferRequest)
        outputs = [InferOutput.from_numpy(item.name, item.as_numpy(), item.datatype) for item in payload.inputs]
        return InferResponse(None, self.name, outputs, parameters=payload.parameters)


class Count(Model):
    """Answers piece by piece: 1, 2, ... up to its input."""

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        async def pieces() -> AsyncIterator[InferResponse]:
            for number in range(1, int(payload.inputs[0].as_numpy()[0]) + 1):
                yield InferResponse(None, self.name, [InferOutput.from_numpy("n", np.array([number]))])

        return pieces()


@contextmanager
def http_client(address: Any) -> Iterator[tuple[Any, Any]]:
    client = tritonclient.http.InferenceServerClient(f"127.0.0.1:{address.http_port}")
    try:
        yield tritonclient.http, client
    finally:
        client.close()


@contextmanager
def grpc_client(address: Any) -> Iterator[tuple[Any, Any]]:
    client = tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{address.grpc_port}")
    try:
        yield tritonclient.grpc, client
    finally:
        client.close()


Connect = Callable[[Any], AbstractContextManager[tuple[Any, Any]]]
Conversation = Callable[[Any, Any], None]
Talk = Callable[[Connect, Conversation], Awaitable[None]]
both = pytest.mark.parametrize("connect", [http_client, grpc_client], ids=["http", "grpc"])


@pytest.fixture
def talk(serve_models: Serve, until: Until) -> Talk:
    """Run a blocking conversation with a server of models `m` and `count`, beside that server's loop."""

    async def run(connect: Connect, conversation: Conversation) -> None:
        async with serve_models(Echo("m"), Count("count")) as server:

            async def is_ready() -> bool:
                return bool((await server.http.get("/v2/health/ready")).status_code == 200)

            def converse() -> None:
                with connect(server.address) as (triton, client):
                    conversation(triton, client)

            await until(is_ready)
            await asyncio.to_thread(converse)

    return run


def tensor(triton: Any, name: str, datatype: str, array: Array, **form: bool) -> Any:
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, **form)
    return made


def check_echo(result: Any) -> None:
    """Every example came back as it went."""
    for datatype, sent in EXAMPLES.items():
        got = result.as_numpy(datatype)
        if datatype == "BYTES":
            assert [as_bytes(element) for element in got] == list(sent)
        else:
            assert (got.dtype, got.tolist()) == (sent.dtype, sent.tolist()), datatype


@pytest.mark.parametrize("binary_out", [True, False], ids=["binary out", "JSON out"])
@pytest.mark.parametrize("binary_in", [True, False], ids=["binary in", "JSON in"])
async def test_every_datatype_goes_through_http(talk: Talk, binary_in: bool, binary_out: bool) -> None:
    def conversation(triton: Any, client: Any) -> None:
        inputs = [
            tensor(triton, name, name, array, binary_data=binary_in or name in NO_JSON_FORM)
            for name, array in EXAMPLES.items()
        ]
        wishes = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in EXAMPLES]
        check_echo(client.infer("m", inputs, outputs=wishes))

    await talk(http_client, conversation)


@both
async def test_every_datatype_goes_through_raw(talk: Talk, connect: Connect) -> None:
    def conversation(triton: Any, client: Any) -> None:
        check_echo(client.infer("m", [tensor(triton, name, name, array) for name, array in EXAMPLES.items()]))
        jpeg = np.array([[b"\xff\xd8\xff\xe0\x00"]], np.object_)  # no UTF-8, no base64
        assert client.infer("m", [tensor(triton, "image", "BYTES", jpeg)]).as_numpy("image").tolist() == jpeg.tolist()
        empty = np.empty((0, 3), np.float32)
        assert client.infer("m", [tensor(triton, "x", "FP32", empty)]).as_numpy("x").shape == (0, 3)

    await talk(connect, conversation)


def names_of(result: Any) -> list[str]:
    response = result.get_response()
    outputs = response["outputs"] if isinstance(response, dict) else response.outputs
    return [output["name"] if isinstance(output, dict) else output.name for output in outputs]


@both
async def test_requested_outputs_come_alone_and_in_their_order(talk: Talk, connect: Connect) -> None:
    """From a model that answers everything whatever it is asked for."""

    def conversation(triton: Any, client: Any) -> None:
        inputs = [tensor(triton, name, "FP32", np.ones(2, np.float32)) for name in "abc"]
        assert names_of(client.infer("m", inputs)) == ["a", "b", "c"]
        wishes = [triton.InferRequestedOutput(name) for name in "ca"]
        assert names_of(client.infer("m", inputs, outputs=wishes)) == ["c", "a"]
        with pytest.raises(InferenceServerException, match="Unexpected inference output 'z' for model 'm'") as caught:
            client.infer("m", inputs, outputs=[triton.InferRequestedOutput("z")])
        assert caught.value.status() in ("400", "StatusCode.INVALID_ARGUMENT")

    await talk(connect, conversation)


@both
async def test_ids_and_parameters_come_back(talk: Talk, connect: Connect) -> None:
    def conversation(triton: Any, client: Any) -> None:
        inputs = [tensor(triton, "x", "FP32", np.ones(2, np.float32))]
        sent = {"note": "ä", "count": -3, "sure": True}
        result = client.infer("m", inputs, request_id="seven", priority=1, timeout=20_000_000, parameters=sent)
        response = result.get_response()
        if isinstance(response, dict):
            assert response["id"] == "seven"
            got = response["parameters"]
        else:
            assert response.id == "seven"
            got = {
                name: getattr(value, value.WhichOneof("parameter_choice"))
                for name, value in response.parameters.items()
            }
        assert {name: got[name] for name in sent} == sent

    await talk(connect, conversation)


@both
async def test_health_metadata_and_repository(talk: Talk, connect: Connect) -> None:
    def conversation(triton: Any, client: Any) -> None:
        plain = {"as_json": True} if triton is tritonclient.grpc else {}
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("m")
        server = client.get_server_metadata(**plain)
        assert (server["name"], "binary_tensor_data" in server["extensions"]) == ("mooring", True)
        model = client.get_model_metadata("m", **plain)
        (declared,) = model["inputs"]
        assert (model["name"], declared["name"], declared["datatype"]) == ("m", "x", "FP32")
        assert [int(size) for size in declared["shape"]] == [-1, 3]
        client.load_model("m")
        index = client.get_model_repository_index(**plain)
        entries = index["models"] if plain else index
        assert [(entry["name"], entry["state"]) for entry in entries] == [("m", "READY"), ("count", "READY")]
        for name in ("m", "count"):
            client.unload_model(name)
        assert not client.get_model_repository_index(**plain)

    await talk(connect, conversation)


@both
async def test_errors_say_what_is_wrong(talk: Talk, connect: Connect) -> None:
    def conversation(triton: Any, client: Any) -> None:
        inputs = [tensor(triton, "x", "FP32", np.ones(2, np.float32))]
        calls: list[tuple[Any, ...]] = [
            (client.infer, "absent", inputs),
            (client.get_model_metadata, "absent"),
            (client.load_model, "absent"),
            (client.unload_model, "absent"),
        ]
        for verb, *arguments in calls:
            with pytest.raises(InferenceServerException, match="Model with name absent does not exist") as caught:
                verb(*arguments)
            assert caught.value.status() in ("404", "StatusCode.NOT_FOUND")
        with pytest.raises(InferenceServerException, match="Version 9 is not there"):
            client.infer("m", inputs, model_version="9")
        assert client.infer("m", inputs).as_numpy("x").tolist() == [1, 1]  # the connection lives on

    await talk(connect, conversation)


def test_messages_of_both_live_in_one_process_and_mean_the_same() -> None:
    theirs = tritonclient.grpc.service_pb2.ModelInferRequest(model_name="m", id="7", raw_input_contents=[b"12"])
    assert message("ModelInferRequest").FromString(theirs.SerializeToString()).raw_input_contents == [b"12"]


async def test_a_stream_is_answered_in_order_and_outlives_a_faulty_request(talk: Talk) -> None:
    def conversation(triton: Any, client: Any) -> None:
        answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
        client.start_stream(lambda result, error: answers.put((result, error)))
        for number, model in enumerate(["m", "count", "absent", "m"], start=1):
            inputs = [tensor(triton, "x", "INT64", np.array([number]))]
            client.async_stream_infer(model, inputs, request_id=str(number))
        client.stop_stream()
        got = []
        while not answers.empty():
            result, error = answers.get_nowait()
            if error is None:
                response = result.get_response()
                got.append((response.id, result.as_numpy(response.outputs[0].name).tolist()))
            else:
                got.append(("", error.message()))
        text = "Model with name absent does not exist."
        assert got == [("1", [1]), ("2", [1]), ("2", [2]), ("", text), ("4", [4])]

    await talk(grpc_client, conversation)


async def test_a_model_that_streams_needs_a_stream(talk: Talk) -> None:
    def conversation(triton: Any, client: Any) -> None:
        with pytest.raises(InferenceServerException, match="ModelStreamInfer"):
            client.infer("count", [tensor(triton, "x", "INT64", np.array([2]))])

    await talk(grpc_client, conversation)
