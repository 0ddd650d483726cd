import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from mooring_runtime import InferOutput, InferRequest, InferResponse, Model

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
PutModel = Callable[[str, str], Path]


def number(model: str, value: int) -> InferResponse:
    return InferResponse(None, model, [InferOutput.from_numpy("n", np.array([value]))])


class Count(Model):
    """Answers 1, 2, ... up to its input; 13 is unlucky."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.made = 0
        self.ended = asyncio.Event()
        self._server_loop = asyncio.get_running_loop()

    def get_input_types(self) -> list[dict[str, Any]]:
        return [{"name": "x", "datatype": "INT64", "shape": [-1]}]

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return self.pieces(int(payload.inputs[0].as_numpy()[0]))

    async def pieces(self, last: int) -> AsyncIterator[InferResponse]:
        try:
            for self.made in range(1, last + 1):
                if self.made == 13:
                    raise ValueError("unlucky")
                await asyncio.sleep(0)
                yield number(self.name, self.made)
        finally:
            await asyncio.sleep(0)  # a cleanup that waits must get to its end
            self._server_loop.call_soon_threadsafe(self.ended.set)


class SyncCount(Count):
    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        try:
            for self.made in range(1, int(payload.inputs[0].as_numpy()[0]) + 1):
                if self.made == 13:
                    raise ValueError("unlucky")
                yield number(self.name, self.made)
        finally:
            self._server_loop.call_soon_threadsafe(self.ended.set)


class Whole(Model):
    """Answers at once: what it was sent."""

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        assert isinstance(payload, InferRequest)
        outputs = [InferOutput.from_numpy(item.name, item.as_numpy(), item.datatype) for item in payload.inputs]
        return InferResponse(None, self.name, outputs, parameters=payload.parameters)


def events(answer: httpx.Response) -> list[Any]:
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    *frames, rest = answer.text.split("\n\n")
    assert rest == ""
    assert all(frame.startswith("data: ") for frame in frames)
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


def tensors(value: int) -> dict[str, Any]:
    return {"id": "7", "inputs": [{"name": "x", "shape": [1], "datatype": "INT64", "data": [value]}]}


@pytest.mark.parametrize("kind", [Count, SyncCount])
@pytest.mark.parametrize("verb", ["infer_stream", "generate_stream"], ids=str)
async def test_tensors_are_answered_by_an_event_for_each_piece(serve_ready: Serve, kind: Any, verb: str) -> None:
    async with serve_ready(kind("m")) as server:
        told = events(await server.http.post(f"/v2/models/m/{verb}", json=tensors(3)))
        assert [document["outputs"][0]["data"] for document in told] == [[1], [2], [3]]
        assert told[0] == {
            "model_name": "m",
            "model_version": None,
            "id": "7",
            "parameters": None,
            "outputs": [{"name": "n", "shape": [1], "datatype": "INT64", "parameters": None, "data": [1]}],
        }
        assert events(await server.http.post(f"/v2/models/m/{verb}", json=tensors(0))) == []


async def test_values_by_name_are_answered_by_values_by_name(serve_ready: Serve) -> None:
    async with serve_ready(Count("m"), Whole("w")) as server:
        told = events(await server.http.post("/v2/models/m/generate_stream", json={"x": 2}))
        assert told == [{"model_name": "m", "model_version": None, "n": made} for made in (1, 2)]
        one = await server.http.post("/v2/models/m/generate", json={"id": "a", "parameters": {"x": 1}})
        assert one.headers["content-type"] == "application/json"
        assert one.json() == {"id": "a", "model_name": "m", "model_version": None, "n": 1}
        body = {"text_input": "hello", "parameters": {"temperature": 0.5}}
        whole = {"model_name": "w", "model_version": None, "temperature": 0.5, "text_input": "hello"}
        assert (await server.http.post("/v2/models/w/generate", json=body)).json() == whole
        assert events(await server.http.post("/v2/models/w/generate_stream", json=body)) == [whole]


async def test_generate_takes_tensors_as_infer_does(serve_ready: Serve) -> None:
    async with serve_ready(Whole("w")) as server:
        raw = {"name": "x", "shape": [1], "datatype": "INT64", "parameters": {"binary_data_size": 8}}
        head = json.dumps({"id": "7", "inputs": [raw], "parameters": {"binary_data_output": True}}).encode()
        request = {"content": head + b"\7" + bytes(7), "headers": {"Inference-Header-Content-Length": str(len(head))}}
        answers = [await server.http.post(f"/v2/models/w/{verb}", **request) for verb in ("infer", "generate")]
        assert answers[0].content == answers[1].content
        assert answers[1].content.endswith(b"\7" + bytes(7))
        (told,) = events(await server.http.post("/v2/models/w/infer_stream", **request))
        assert told["outputs"][0]["data"] == [7]


async def test_a_model_from_a_folder_streams_its_one_answer(
    serve_folder: Serve, put_model: PutModel, until: Until
) -> None:
    put_model("m", "double")

    async with serve_folder() as server:

        async def is_ready() -> bool:
            return bool(await server.running.dataplane.is_ready())

        await until(is_ready)
        body = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [2.5]}]}
        (told,) = events(await server.http.post("/v2/models/m/versions/1/infer_stream", json=body))
        assert (told["model_version"], told["outputs"][0]["data"]) == ("1", [5.0])
        assert (await server.http.post("/v2/models/m/generate", json={"x": 1.5})).json()["output-0"] == 3.0


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("m/generate", {"x": 2}, 400, "ask generate_stream"),
        ("m/infer", tensors(2), 400, "ask by v1, by infer_stream"),
        ("m/generate", {"x": "many"}, 400, "input 'x': data"),
        ("m/generate_stream", {"x": [[1]]}, 400, "'x': must be a value, or a list of values"),
        ("m/infer_stream", {}, 400, 'Expected "inputs"'),
        ("m/generate", [], 400, "must be a JSON object"),
        ("m/generate", {"x": 0}, 500, "gave no answer"),
        ("absent/generate_stream", {}, 404, "Model with name absent does not exist."),
        ("m/versions/9/infer_stream", tensors(1), 404, "Version 9 is not there"),
    ],
)
async def test_what_fails_at_once_has_the_status_of_its_error(
    serve_ready: Serve, path: str, body: Any, status: int, text: str
) -> None:
    async with serve_ready(Count("m")) as server:
        answer = await server.http.post(f"/v2/models/{path}", json=body)
        assert answer.status_code == status
        assert text in answer.json()["error"]


@pytest.mark.parametrize("kind", [Count, SyncCount])
async def test_an_error_on_the_way_is_the_last_event(serve_ready: Serve, kind: Any) -> None:
    async with serve_ready(kind("m")) as server:
        told = events(await server.http.post("/v2/models/m/generate_stream", json={"x": 20}))
        assert [event.get("n") for event in told[:-1]] == list(range(1, 13))
        assert told[-1] == {"error": "ValueError : unlucky"}
        metrics = (await server.http.get("/metrics")).text
        assert 'requests_total{model_name="m",outcome="InferenceError",protocol="v2"} 1.0' in metrics


class Endless(Count):
    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return self.endless(int(payload.inputs[0].as_numpy()[0]))

    async def endless(self, pause: int) -> AsyncIterator[InferResponse]:
        try:
            while True:
                await asyncio.sleep(0)
                yield number(self.name, self.made)
                if pause:
                    await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self._server_loop.call_soon_threadsafe(self.ended.set)


class SyncEndless(Count):
    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        try:
            while True:
                yield number(self.name, self.made)
        finally:
            self._server_loop.call_soon_threadsafe(self.ended.set)


@pytest.mark.parametrize(
    ("kind", "pause"),
    [(Endless, 0), (Endless, 1), (SyncEndless, 0)],
    ids=["while it sends", "while it waits for the model", "a sync generator"],
)
async def test_a_client_that_hangs_up_ends_the_model_s_generator(
    serve_ready: Serve, until: Until, kind: Any, pause: int
) -> None:
    model = kind("m")
    async with serve_ready(model) as server:
        stream = server.http.stream("POST", "/v2/models/m/infer_stream", json=tensors(pause))
        async with stream as answer:
            async for chunk in answer.aiter_raw():
                assert chunk.startswith(b"data: ")
                break
        async with asyncio.timeout(10):
            await model.ended.wait()

        async def is_counted() -> bool:
            metrics = (await server.http.get("/metrics")).text
            return 'requests_total{model_name="m",outcome="Cancelled",protocol="v2"} 1.0' in metrics

        await until(is_counted)
