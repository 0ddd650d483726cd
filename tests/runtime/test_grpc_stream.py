import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import grpc
import pytest

from mooring_runtime.errors import InvalidInput, ModelNotFound, ServerNotReady
from mooring_runtime.grpc_api.messages import SERVICE, ModelInferRequest, ModelInferResponse, message
from mooring_runtime.grpc_api.stream import SHAPE_KEY, SHAPES, WANTS_EMPTY_FINAL, Outcome, answer_in_order, shape_of
from mooring_runtime.settings import STREAM_SHAPES

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
PutModel = Callable[[str, str], Path]


async def each(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item


def plain(request: Any, outcome: Outcome) -> Any:
    return repr(outcome.made) if isinstance(outcome.made, Exception) else outcome.made


async def test_answers_come_in_order_though_work_ends_out_of_order() -> None:
    last_done, written = asyncio.Event(), []

    async def answer(request: int) -> AsyncGenerator[Any, None]:
        if request < 3:
            await last_done.wait()  # so they must run side by side
        if request == 2:
            raise ValueError
        yield request
        yield request * 10
        last_done.set()

    async def write(piece: Any) -> None:
        written.append(piece)

    async with asyncio.timeout(5):
        await answer_in_order(each(1, 2, 3), answer, plain, write, asyncio.Event())
    assert written == [1, 10, "ValueError()", 3, 30]


async def test_a_client_that_does_not_read_holds_back_the_model() -> None:
    made, reads = [], asyncio.Semaphore(0)

    async def answer(request: int) -> AsyncGenerator[int, None]:
        for piece in range(1000):
            made.append(piece)
            yield piece

    async def write(piece: int) -> None:
        await reads.acquire()

    task = asyncio.create_task(answer_in_order(each(1), answer, plain, write, asyncio.Event()))
    for _ in range(100):
        await asyncio.sleep(0)
    assert 0 < len(made) < 10
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_server_that_drains_answers_what_it_has_read_and_ends_the_stream() -> None:
    draining, written = asyncio.Event(), []

    async def endless() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def answer(request: int) -> AsyncGenerator[int, None]:
        draining.set()
        await asyncio.sleep(0)
        yield request

    async def write(piece: int) -> None:
        written.append(piece)

    async with asyncio.timeout(5):
        with pytest.raises(ExceptionGroup) as caught:
            await answer_in_order(endless(), answer, plain, write, draining)
    assert caught.group_contains(ServerNotReady)
    assert written == [1]


def test_the_shape_is_the_server_s_unless_the_call_names_another() -> None:
    assert tuple(SHAPES) == STREAM_SHAPES
    assert shape_of({}, "triton") is SHAPES["triton"]
    assert shape_of({SHAPE_KEY: "mlserver"}, "triton") is SHAPES["mlserver"]
    with pytest.raises(InvalidInput, match="must be one of triton, mlserver"):
        shape_of({SHAPE_KEY: "other"}, "triton")


def test_the_wrapped_shape_carries_the_error_and_whose_it_is() -> None:
    request = ModelInferRequest(id="7", model_name="m")
    wrapped = SHAPES["triton"](request, Outcome(ModelNotFound("m"), is_last=True))
    assert wrapped.error_message == "Model with name m does not exist."
    assert (wrapped.infer_response.id, wrapped.infer_response.model_name) == ("7", "m")
    assert wrapped.infer_response.parameters["triton_final_response"].bool_param


async def told(answer: Any, request: Any, shape: str) -> list[Any]:
    written: list[Any] = []

    async def write(piece: Any) -> None:
        written.append(piece)

    await answer_in_order(each(request), answer, SHAPES[shape], write, asyncio.Event())
    return written


async def whole(request: Any) -> AsyncGenerator[Any, None]:
    yield ModelInferResponse(id="1")


async def piecewise(request: Any) -> AsyncGenerator[Any, None]:
    for name in ("1", "2"):
        await asyncio.sleep(0.001)  # as a model's own thread
        yield ModelInferResponse(id=name)
    await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("answer", "wants", "final"),
    [
        (whole, True, [("1", True)]),
        (whole, False, [("1", True)]),
        (piecewise, False, [("1", False), ("2", False)]),
        (piecewise, True, [("1", False), ("2", False), ("7", True)]),
    ],
    ids=["whole, wanted", "whole", "pieces", "pieces, wanted"],
)
async def test_the_last_answer_to_a_request_is_marked(answer: Any, wants: bool, final: list[tuple[str, bool]]) -> None:
    request = ModelInferRequest(id="7", model_name="m", parameters={WANTS_EMPTY_FINAL: {"bool_param": wants}})
    responses = [message.infer_response for message in await told(answer, request, "triton")]
    assert [(made.id, made.parameters["triton_final_response"].bool_param) for made in responses] == final
    bare = await told(answer, request, "mlserver")
    assert [(made.id, len(made.parameters)) for made in bare] == [(name, 0) for name, _ in final if name != "7"]


async def test_an_idle_stream_does_not_hold_up_the_stop(serve_folder: Serve) -> None:
    async with serve_folder() as server, grpc.aio.insecure_channel(server.grpc_target) as channel:
        stream = channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")(timeout=20)
        await stream.write(ModelInferRequest(model_name="absent").SerializeToString())
        assert b"Model with name absent does not exist" in await stream.read()
        server.running.dataplane.draining.set()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "shutting down" in (caught.value.details() or "")


@pytest.mark.parametrize(
    ("setting", "metadata"),
    [("mlserver", ()), ("triton", ((SHAPE_KEY, "mlserver"),))],
    ids=["by setting", "by metadata"],
)
async def test_mlserver_s_clients_get_bare_answers_until_an_error(
    serve_folder: Serve, put_model: PutModel, until: Until, setting: str, metadata: tuple[tuple[str, str], ...]
) -> None:
    put_model("m", "double")
    tensor = {"name": "x", "shape": [2], "datatype": "FP32", "contents": {"fp32_contents": [1, 2.5]}}
    async with (
        serve_folder(grpc_stream_shape=setting) as server,
        grpc.aio.insecure_channel(server.grpc_target) as channel,
    ):

        async def is_ready() -> bool:
            return bool((await server.http.get("/v2/health/ready")).status_code == 200)

        await until(is_ready)
        infer = channel.stream_stream(
            f"/{SERVICE}/ModelStreamInfer",
            request_serializer=message("ModelInferRequest").SerializeToString,
            response_deserializer=ModelInferResponse.FromString,
        )
        requests = [ModelInferRequest(model_name=name, id=name, inputs=[tensor]) for name in ("m", "m", "absent", "m")]
        stream = infer(each(*requests), metadata=metadata, timeout=20)
        for _ in range(2):
            answer = await stream.read()
            assert list(answer.outputs[0].contents.fp32_contents) == [2, 5]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
