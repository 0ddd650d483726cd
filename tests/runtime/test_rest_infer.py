import base64
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mooring_runtime import Model

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
PutModel = Callable[[str, str], Path]

SEED_REQUEST = '{"inputs": [{"name": "input-0", "shape": [1], "datatype": "FP32", "data": [1.0]}]}'
"""As seed 004's curl sends it."""


async def is_ready(server: Any) -> bool:
    return bool((await server.http.get("/v2/health/ready")).status_code == 200)


async def test_binary_tensors_go_in_and_out(serve_folder: Serve, put_model: PutModel, until: Until) -> None:
    put_model("m", "double")
    array = np.arange(60_000, dtype="<f4").reshape(3, -1)  # large enough to be parsed in a thread
    head = json.dumps(
        {
            "id": "abc",
            "inputs": [
                {
                    "name": "x",
                    "shape": array.shape,
                    "datatype": "FP32",
                    "parameters": {"binary_data_size": array.nbytes},
                }
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    async with serve_folder() as server:
        await until(lambda: is_ready(server))
        answer = await server.http.post(
            "/v2/models/m/infer",
            content=head + array.tobytes(),
            headers={"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"},
        )
        length = int(answer.headers["inference-header-content-length"])
        assert answer.headers["content-type"] == "application/octet-stream"
        document = json.loads(answer.content[:length])
        assert document["id"] == "abc"
        assert document["outputs"][0]["shape"] == [3, 20_000]
        assert np.array_equal(np.frombuffer(answer.content[length:], "<f4").reshape(3, -1), array * 2)


async def test_a_body_of_nothing_but_data_is_the_one_input(
    serve_folder: Serve, put_model: PutModel, until: Until
) -> None:
    settings = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]}
    (put_model("m", "double") / "mooring.json").write_text(json.dumps(settings))
    array = np.arange(6, dtype="<f4")
    async with serve_folder() as server:
        await until(lambda: is_ready(server))
        answer = await server.http.post(
            "/v2/models/m/infer", content=array.tobytes(), headers={"Inference-Header-Content-Length": "0"}
        )
        length = int(answer.headers["inference-header-content-length"])
        assert json.loads(answer.content[:length])["outputs"][0]["shape"] == [3, 2]
        assert np.array_equal(np.frombuffer(answer.content[length:], "<f4"), array * 2)


async def test_v1_alexnet_answers_five_logits_to_curl(
    serve_folder: Serve, alexnet_weights: Path, until: Until, jpeg: Callable[[int, int], bytes]
) -> None:
    async with serve_folder(model_dir=alexnet_weights, model_name="custom-model", multi_model=False) as server:
        await until(lambda: is_ready(server))
        image = base64.b64encode(jpeg(300, 257)).decode()
        bodies = [
            await server.http.post(
                "/v1/models/custom-model:predict",
                content=json.dumps({"instances": [{"image": {"b64": image}}]}),
                headers={"Content-Type": content_type},
            )
            for content_type in ("application/json; charset=utf-8", "application/x-www-form-urlencoded")
        ]
        predictions = bodies[0].json()["predictions"]
        assert len(predictions) == 5
        assert predictions == sorted(predictions, reverse=True)
        assert bodies[1].json() == bodies[0].json()
        v2 = await server.http.post(
            "/v2/models/custom-model/infer",
            json={"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [image]}]},
        )
        (output,) = v2.json()["outputs"]
        assert (output["name"], output["shape"]) == ("output-0", [1, 5])
        assert np.array_equal(np.float32(output["data"]), np.float32(predictions))
        photo, headers = jpeg(300, 257), {"Content-Type": "image/jpeg"}
        raw = await server.http.post("/v1/models/custom-model:predict", content=photo, headers=headers)
        assert raw.json() == bodies[0].json()
        raw = await server.http.post("/v2/models/custom-model/infer", content=photo, headers=headers)
        assert raw.json()["outputs"] == [output]
        explained = await server.http.post("/v1/models/custom-model:explain", json={"instances": []})
        assert explained.status_code == 501


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ("{", 400, "Unrecognized request format"),
        ("", 400, "Unrecognized request format"),
        ('{"inputs":[{"name":"x","shape":[3],"datatype":"FP32","data":[1,2]}]}', 400, "input 'x': shape [3] takes 3"),
        ('{"inputs":[]}', 400, "takes 1 input (x), the request has 0"),
        ('{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}', 500, "RuntimeError : mat1"),
    ],
    ids=["no json", "empty", "shape", "no inputs", "the model fails"],
)
async def test_bad_requests_say_what_is_wrong_and_keep_the_connection(
    serve_folder: Serve, put_model: PutModel, until: Until, body: str, status: int, text: str
) -> None:
    put_model("m", "matmul")
    async with serve_folder() as server:
        await until(lambda: is_ready(server))
        answer = await server.http.post("/v2/models/m/infer", content=body)
        assert answer.status_code == status
        assert text in answer.json()["error"]
        assert answer.headers.get("connection") != "close"


async def test_bytes_that_are_no_text_are_refused_as_json_and_sent_as_binary(serve_ready: Serve) -> None:
    class Blob(Model):
        def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
            return {"outputs": [{"name": "y", "shape": [1], "datatype": "BYTES", "data": [b"\xff"]}]}

    body: dict[str, Any] = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}
    async with serve_ready(Blob("m")) as server:
        refused = await server.http.post("/v2/models/m/infer", json=body)
        assert (refused.status_code, "not UTF-8" in refused.json()["error"]) == (400, True)
        body["outputs"] = [{"name": "y", "parameters": {"binary_data": True}}]
        sent = await server.http.post("/v2/models/m/infer", json=body)
    assert (sent.status_code, sent.content[-1:]) == (200, b"\xff")
