import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from mooring_runtime.grpc_api.messages import SERVICE, message

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
PutModel = Callable[[str, str], Path]
Call = Callable[..., Awaitable[Any]]


@asynccontextmanager
async def calling(server: Any) -> AsyncIterator[Call]:
    """Calls an RPC by name, with a dict for the request or raw bytes of another dialect."""
    async with grpc.aio.insecure_channel(server.grpc_target) as channel:

        async def call(method: str, request: Any = None, **fields: Any) -> Any:
            stub = channel.unary_unary(
                f"/{SERVICE}/{method}",
                request_serializer=lambda value: value if isinstance(value, bytes) else value.SerializeToString(),
                response_deserializer=message(f"{method}Response").FromString,
            )
            return await stub(request if request is not None else message(f"{method}Request")(**fields), timeout=20)

        yield call


@asynccontextmanager
async def ready(serve: AbstractAsyncContextManager[Any], until: Until) -> AsyncIterator[tuple[Any, Call]]:
    async with serve as server, calling(server) as call:

        async def is_ready() -> bool:
            return bool((await call("ServerReady")).ready)

        await until(is_ready)
        yield server, call


def infer_fields(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "x", "shape": [2], "datatype": "FP32", "contents": {"fp32_contents": [1, 2.5]}}
    return {"model_name": "m", "id": "7", "inputs": [{**tensor, **changes}]}


async def test_health_metadata_and_inference(serve_folder: Serve, put_model: PutModel, until: Until) -> None:
    put_model("m", "double")
    async with ready(serve_folder(), until) as (_, call):
        assert (await call("ServerLive")).live
        assert (await call("ServerMetadata")).name == "mooring"
        assert (await call("ModelReady", name="m")).ready
        metadata = await call("ModelMetadata", name="m", version="1")
        assert (metadata.platform, list(metadata.versions)) == ("pytorch_torchscript", ["1"])
        response = await call("ModelInfer", **infer_fields())
        assert (response.model_name, response.model_version, response.id) == ("m", "1", "7")
        (output,) = response.outputs
        assert (output.name, output.datatype, list(output.shape)) == ("output-0", "FP32", [2])
        assert list(output.contents.fp32_contents) == [2.0, 5.0]
        assert not response.raw_output_contents


async def test_a_raw_question_gets_a_raw_answer(serve_folder: Serve, put_model: PutModel, until: Until) -> None:
    put_model("m", "double")
    array = np.arange(40_000, dtype="<f4")
    async with ready(serve_folder(), until) as (_, call):
        tensor = {"name": "x", "shape": [array.size], "datatype": "FP32"}
        response = await call("ModelInfer", model_name="m", inputs=[tensor], raw_input_contents=[array.tobytes()])
        assert not response.outputs[0].HasField("contents")
        assert np.array_equal(np.frombuffer(response.raw_output_contents[0], "<f4"), array * 2)


async def test_types_without_contents_go_raw(serve_folder: Serve, put_model: PutModel, until: Until) -> None:
    put_model("m", "bf16")
    async with ready(serve_folder(), until) as (_, call):
        response = await call("ModelInfer", **infer_fields())
        assert response.outputs[0].datatype == "BF16"
        assert response.raw_output_contents[0] == b"\x00\x40\x60\x40"


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"model_name": "x"}, grpc.StatusCode.NOT_FOUND, "Model with name x does not exist."),
        (infer_fields(shape=[3]), grpc.StatusCode.INVALID_ARGUMENT, "input 'x': shape [3] takes 3 elements"),
        (infer_fields(datatype="FP16"), grpc.StatusCode.INVALID_ARGUMENT, "raw_input_contents"),
        (infer_fields(datatype="FP8"), grpc.StatusCode.INVALID_ARGUMENT, "unknown datatype"),
        (
            {**infer_fields(), "raw_input_contents": [b"", b""]},
            grpc.StatusCode.INVALID_ARGUMENT,
            "number of inputs (1)",
        ),
        ({**infer_fields(), "raw_input_contents": [b""]}, grpc.StatusCode.INVALID_ARGUMENT, "contents field must not"),
        (infer_fields(datatype="INT8", contents={"int_contents": [1, 300]}), grpc.StatusCode.INVALID_ARGUMENT, "INT8"),
        ({"model_name": "m"}, grpc.StatusCode.INVALID_ARGUMENT, "takes 1 input"),
        (infer_fields(shape=[1, 2]), grpc.StatusCode.OK, ""),
        (infer_fields(shape=[2, 1]), grpc.StatusCode.INTERNAL, "RuntimeError : mat1"),
        ({**infer_fields(), "model_version": "4"}, grpc.StatusCode.NOT_FOUND, "Version 4"),
    ],
    ids=["model", "shape", "fp16", "datatype", "raw count", "both", "range", "none", "fits", "model fails", "version"],
)
async def test_errors_have_their_codes(
    serve_folder: Serve, put_model: PutModel, until: Until, fields: dict[str, Any], code: grpc.StatusCode, text: str
) -> None:
    put_model("m", "matmul")
    async with ready(serve_folder(), until) as (_, call):
        try:
            await call("ModelInfer", **fields)
        except grpc.aio.AioRpcError as exc:
            got, details = exc.code(), exc.details() or ""
        else:
            got, details = grpc.StatusCode.OK, ""
        assert got is code
        assert text in details


@pytest.mark.parametrize("field", [b"\x0a", b"\x12"], ids=["KServe's model_name=1", "Triton's model_name=2"])
async def test_both_dialects_load_and_unload(
    serve_folder: Serve, put_model: PutModel, until: Until, field: bytes
) -> None:
    wire = field + b"\x01m"
    async with ready(serve_folder(), until) as (_, call):
        put_model("m", "double")
        loaded = await call("RepositoryModelLoad", wire)
        assert loaded.SerializeToString() == b"\x0a\x01m\x10\x01"  # KServe's model_name=1, isLoaded=2
        (entry,) = (await call("RepositoryIndex", ready=True)).models
        assert (entry.name, entry.version, entry.state) == ("m", "1", "READY")
        assert (await call("RepositoryModelUnload", wire)).isUnloaded
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call("RepositoryModelUnload", wire)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_failed_load_says_why(serve_folder: Serve, put_model: PutModel, until: Until) -> None:
    (put_model("m", "double") / "model.pt").write_bytes(b"junk")
    async with ready(serve_folder(), until) as (_, call):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call("RepositoryModelLoad", model_name="m")
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "model.pt is corrupt" in (caught.value.details() or "")
        assert not (await call("ModelReady", name="m")).ready
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call("ModelInfer", **infer_fields())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_messages_over_the_limit_are_refused(serve_folder: Serve, put_model: PutModel, until: Until) -> None:
    put_model("m", "double")
    async with ready(serve_folder(grpc_max_receive_message_length=1000), until) as (_, call):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call("ModelInfer", **infer_fields(contents={"fp32_contents": [0] * 1000}, shape=[1000]))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_reflection_describes_every_service(serve_folder: Serve, until: Until) -> None:
    async with (
        ready(serve_folder(), until) as (server, _),
        grpc.aio.insecure_channel(server.grpc_target) as channel,
    ):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest
        stream = stub.ServerReflectionInfo()
        await stream.write(request(list_services=""))
        services = {entry.name for entry in (await stream.read()).list_services_response.service}
        assert services == {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
        for service in services:
            await stream.write(request(file_containing_symbol=service))
            files = (await stream.read()).file_descriptor_response.file_descriptor_proto
            described = FileDescriptorProto.FromString(files[0])
            assert service.rpartition(".")[2] in [entry.name for entry in described.service]
        await stream.done_writing()


async def test_calls_that_are_cancelled_disturb_no_others(
    serve_folder: Serve, put_model: PutModel, until: Until
) -> None:
    put_model("m", "double")
    async with ready(serve_folder(), until) as (_, call):

        async def ask() -> str:
            return str((await call("ModelInfer", **infer_fields())).id)

        calls = [asyncio.create_task(ask()) for _ in range(5)]
        await asyncio.sleep(0)
        for task in calls[1:]:
            task.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert results[0] == "7"
        assert {type(result) for result in results[1:]} == {asyncio.CancelledError}
        assert await ask() == "7"
