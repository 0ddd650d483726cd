"""A transformer in front of a predictor: two real servers."""

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from mooring_runtime import InferInput, InferOutput, InferRequest, InferResponse, Model, PredictorConfig
from mooring_runtime.errors import InvalidInput
from mooring_runtime.sdk.predictor import forwarded

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

TRACE = {"traceparent": "00-a-b-01", "tracestate": "vendor=1", "baggage": "tenant=blue", "b3": "0"}
SENT = {"X-Request-Id": "r-1", "Authorization": "Bearer t", "Cookie": "secret", **TRACE}
EXPECTED = {"x-request-id": "r-1", "authorization": "Bearer t", **TRACE}


async def is_ready(server: Any) -> bool:
    return bool((await server.http.get("/v2/health/ready")).status_code == 200)


class Predictor(Model):
    """Doubles, tells which headers it saw, and refuses what is negative."""

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        seen = {name: headers[name] for name in ("x-request-id", "authorization", *TRACE, "cookie") if name in headers}
        if isinstance(payload, InferRequest):
            doubled = payload.inputs[0].as_numpy() * 2
            if (doubled < 0).any():
                raise InvalidInput("negative")
            outputs = [InferOutput.from_numpy("y", doubled)]
            return InferResponse(payload.id, self.name, outputs, parameters={"seen": json.dumps(seen)})
        if min(payload["instances"]) < 0:
            raise InvalidInput("negative")
        return {"predictions": [2 * value for value in payload["instances"]], "seen": seen}

    def explain(self, payload: Any, headers: Any = None) -> Any:
        return {"because": payload["instances"]}


class Transformer(Model):
    """Adds one before, and takes one off after; its own predict is the SDK's."""

    def preprocess(self, payload: Any, headers: Any = None) -> Any:
        if not isinstance(payload, InferRequest):
            return {"instances": [value + 1 for value in payload["instances"]]}
        values = payload.inputs[0].as_numpy() + 1
        tensor = InferInput("x", list(values.shape), "FP32")
        tensor.set_data_from_numpy(values)
        return InferRequest(self.name, [tensor], payload.id)


def transformer(server: Any, protocol: str, **more: Any) -> Transformer:
    port = server.address.grpc_port if protocol == "grpc-v2" else server.address.http_port
    return Transformer("m", predictor_config=PredictorConfig(f"127.0.0.1:{port}", protocol, **more))


async def test_v1_requests_go_on_with_the_headers_that_may(serve_models: Serve, until: Until) -> None:
    async with serve_models(Predictor("m")) as behind, serve_models(transformer(behind, "v1")) as front:
        await until(lambda: is_ready(behind))
        await until(lambda: is_ready(front))
        answer = await front.http.post("/v1/models/m:predict", json={"instances": [1, 2]}, headers=SENT)
        assert answer.json() == {"predictions": [4, 6], "seen": EXPECTED}


@pytest.mark.parametrize("protocol", ["v2", "grpc-v2"])
async def test_v2_requests_go_on_by_rest_and_by_grpc(serve_models: Serve, until: Until, protocol: str) -> None:
    body = {"id": "i-1", "inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}]}
    async with serve_models(Predictor("m")) as behind, serve_models(transformer(behind, protocol)) as front:
        await until(lambda: is_ready(behind))
        await until(lambda: is_ready(front))
        answer = (await front.http.post("/v2/models/m/infer", json=body, headers=SENT)).json()
        assert (answer["id"], answer["outputs"][0]["data"]) == ("i-1", [4.0, 6.0])
        assert json.loads(answer["parameters"]["seen"]) == EXPECTED


@pytest.mark.parametrize("protocol", ["v1", "v2", "grpc-v2"])
async def test_the_predictor_s_refusal_keeps_its_meaning(serve_models: Serve, until: Until, protocol: str) -> None:
    v1 = ("/v1/models/m:predict", {"instances": [-5]})
    v2 = ("/v2/models/m/infer", {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [-5]}]})
    path, body = v1 if protocol == "v1" else v2
    async with serve_models(Predictor("m")) as behind, serve_models(transformer(behind, protocol)) as front:
        await until(lambda: is_ready(behind))
        await until(lambda: is_ready(front))
        answer = await front.http.post(path, json=body)
        assert answer.status_code == 400
        assert "negative" in answer.json()["error"]
        await behind.http.post("/v2/repository/models/m/unload")
        gone = await front.http.post(path, json=body)
        assert gone.status_code == 500
        assert "Model with name m does not exist." in gone.json()["error"]


@pytest.mark.parametrize("protocol", ["v1", "v2", "grpc-v2"])
async def test_a_predictor_that_is_not_there_is_told_and_can_be_part_of_readiness(
    serve_models: Serve, until: Until, protocol: str, free_port: int
) -> None:
    config = PredictorConfig(f"127.0.0.1:{free_port}", protocol, predictor_health_check=True)
    async with serve_models(Transformer("m", predictor_config=config)) as front:

        async def is_started() -> bool:
            return bool(front.running.dataplane.started)

        await until(is_started)
        for path in ("/v2/models/m/ready", "/v2/health/ready"):
            assert (await front.http.get(path)).status_code == 503, path
        v2 = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [5]}]}
        path, body = ("/v1/models/m:predict", {"instances": [5]}) if protocol == "v1" else ("/v2/models/m/infer", v2)
        answer = await front.http.post(path, json=body)
        assert answer.status_code == 503
        assert "Model with name m is not ready. Its predictor" in answer.json()["error"]


async def test_a_ready_predictor_makes_its_transformer_ready(serve_models: Serve, until: Until) -> None:
    async with serve_models(Predictor("m")) as behind:
        await until(lambda: is_ready(behind))
        async with serve_models(transformer(behind, "v2", predictor_health_check=True)) as front:
            await until(lambda: is_ready(front))
            assert (await front.http.get("/v2/models/m/ready")).status_code == 200


async def test_an_explainer_is_asked_by_its_host(serve_models: Serve, until: Until) -> None:
    async with serve_models(Predictor("m")) as behind:
        await until(lambda: is_ready(behind))
        model = Transformer("m")
        model.explainer_host = f"127.0.0.1:{behind.address.http_port}"
        async with serve_models(model) as front:
            await until(lambda: is_ready(front))
            answer = await front.http.post("/v1/models/m:explain", json={"instances": [1]})
            assert answer.json() == {"because": [2]}


def test_only_headers_on_the_list_go_on() -> None:
    assert forwarded(SENT | {"X-B3-SpanId": "s", "b3": "x"}) == EXPECTED | {"x-b3-spanid": "s", "b3": "x"}
    assert forwarded(None) == {}
