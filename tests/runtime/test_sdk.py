from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from mooring_runtime import InferOutput, InferRequest, InferResponse, Model, ModelServer
from mooring_runtime.errors import InferenceError, InvalidInput, ModelNotReady, StartupError
from mooring_runtime.model import InferenceModel

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

V2_BODY = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}]}


class Doubler(Model):
    """Both protocols, sync handlers, KServe's signatures."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[str] = []

    def load(self) -> bool:
        self.calls.append("load")
        self.ready = True
        return self.ready

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        self.calls.append("preprocess")
        return payload

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        self.calls.append("predict")
        if isinstance(payload, InferRequest):
            return InferResponse(None, self.name, [InferOutput.from_numpy("y", payload.inputs[0].as_numpy() * 2)])
        return {"predictions": [2 * value for value in payload["instances"]]}

    def postprocess(self, result: Any, headers: Any = None, response_headers: Any = None) -> Any:
        self.calls.append("postprocess")
        return result


async def is_ready(server: Any) -> bool:
    return bool((await server.http.get("/v2/health/ready")).status_code == 200)


async def test_a_sync_model_answers_both_protocols_and_its_handlers_run_in_order(
    serve_models: Serve, until: Until
) -> None:
    model = Doubler("m")
    async with serve_models(model) as server:
        await until(lambda: is_ready(server))
        v1 = await server.http.post("/v1/models/m:predict", json={"instances": [1, 2]})
        assert v1.json() == {"predictions": [2, 4]}
        v2 = (await server.http.post("/v2/models/m/infer", json=V2_BODY)).json()
        assert v2["model_version"] is None
        assert v2["outputs"][0]["data"] == [2.0, 4.0]
        metrics = (await server.http.get("/metrics")).text
        assert 'request_predict_seconds_count{model_name="m"} 2.0' in metrics
    stages = ["preprocess", "predict", "postprocess"]
    assert model.calls == ["start", "load", *stages, *stages, "stop"]


class Rich(Model):
    """Async handlers, response headers, a dict for an answer."""

    def __init__(self, name: str) -> None:
        super().__init__(name, return_response_headers=True)

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        response_headers["x-caller"] = headers["x-caller"]
        if not isinstance(payload, InferRequest):
            return "plain text"
        output = {"name": "y", "shape": [1], "datatype": "INT64", "data": [7]}
        return {"id": "made", "model_name": self.name, "outputs": [output]}

    def explain(self, payload: Any, headers: Any = None) -> Any:
        return {"because": payload["instances"]}


async def test_an_async_model_may_set_headers_and_answer_dicts_or_text(serve_models: Serve, until: Until) -> None:
    async with serve_models(Rich("m")) as server:
        await until(lambda: is_ready(server))
        headers = {"X-Caller": "me"}
        v2 = await server.http.post("/v2/models/m/infer", json=V2_BODY, headers=headers)
        assert v2.headers["x-caller"] == "me"
        assert (v2.json()["id"], v2.json()["outputs"][0]["data"]) == ("made", [7])
        v1 = await server.http.post("/v1/models/m:predict", json={"instances": []}, headers=headers)
        assert (v1.text, v1.headers["x-caller"]) == ("plain text", "me")
        explained = await server.http.post("/v1/models/m:explain", json={"instances": [1]})
        assert explained.json() == {"because": [1]}


class Faulty(Model):
    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return {"outputs": [{"name": "y", "shape": [3], "datatype": "FP32", "data": [1]}]}


async def test_a_faulty_output_is_the_model_s_fault(serve_models: Serve, until: Until) -> None:
    async with serve_models(Faulty("m")) as server:
        await until(lambda: is_ready(server))
        answer = await server.http.post("/v2/models/m/infer", json=V2_BODY)
        assert answer.status_code == 500
        assert "answered a faulty output" in answer.json()["error"]


class Broken(Model):
    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        if isinstance(payload, InferRequest):
            return {"predictions": [1]}
        return {}[payload["instances"][0]]


async def test_errors_of_user_code_are_told_and_the_server_goes_on(serve_models: Serve, until: Until) -> None:
    async with serve_models(Broken("m"), Model("bare")) as server:
        await until(lambda: is_ready(server))
        v1 = await server.http.post("/v1/models/m:predict", json={"instances": ["k"]})
        assert (v1.status_code, v1.json()) == (500, {"error": "KeyError : 'k'"})
        v2 = await server.http.post("/v2/models/m/infer", json=V2_BODY)
        assert v2.status_code == 500
        assert "must answer an InferResponse" in v2.json()["error"]
        no_list = await server.http.post("/v1/models/m:predict", json={"instances": 1})
        assert (no_list.status_code, no_list.json()) == (400, {"error": 'Expected "instances" to be a list'})
        bare = await server.http.post("/v1/models/bare:predict", json={"instances": []})
        assert bare.status_code == 501


async def test_unload_stops_the_model_and_load_starts_it_anew(serve_models: Serve, until: Until) -> None:
    model = Doubler("m")
    async with serve_models(model) as server:
        await until(lambda: is_ready(server))
        assert (await server.http.post("/v2/repository/models/m/load")).status_code == 200
        assert (await server.http.post("/v2/repository/models/m/unload")).status_code == 200
        assert (await server.http.get("/v1/models/m")).status_code == 404
        assert (await server.http.post("/v2/repository/models/m/load")).status_code == 200
        assert (await server.http.get("/v1/models/m")).json() == {"name": "m", "ready": True}
        assert (await server.http.post("/v2/repository/models/stranger/load")).status_code == 404
    assert model.calls == ["start", "load", "load", "stop", "start", "load", "stop"]


class Tired(Doubler):
    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        self.ready = False
        return super().predict(payload)


class Unwell(Doubler):
    async def healthy(self) -> bool:
        return "predict" not in self.calls


@pytest.mark.parametrize("kind", [Tired, Unwell])
async def test_a_model_that_stops_being_ready_gets_no_requests(serve_models: Serve, until: Until, kind: Any) -> None:
    model = kind("m")
    async with serve_models(model) as server:
        await until(lambda: is_ready(server))
        assert (await server.http.post("/v1/models/m:predict", json={"instances": [1]})).status_code == 200
        v1 = await server.http.post("/v1/models/m:predict", json={"instances": [1]})
        assert (v1.status_code, v1.json()) == (503, {"error": "Model with name m is not ready."})
        assert (await server.http.post("/v2/models/m/infer", json=V2_BODY)).status_code == 503
    assert model.calls.count("predict") == 1


async def test_metadata_is_the_model_s_own(serve_models: Serve, until: Until) -> None:
    class Declared(Doubler):
        async def get_input_types(self) -> Any:
            return [{"name": "x", "datatype": "FP32", "shape": [-1]}]

    async with serve_models(Declared("m")) as server:
        await until(lambda: is_ready(server))
        metadata = (await server.http.get("/v2/models/m")).json()
        assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1]}]
        assert metadata["versions"] is None


def test_start_takes_named_models_in_a_list_or_dict() -> None:
    server = ModelServer(http_port=0, grpc_port=0)
    wrongs: list[Any] = ["m", (Model("m"),), [1], {"m": 1}, [Model("")]]
    for wrong in wrongs:
        with pytest.raises(StartupError):
            server.start(wrong)


class Counting(Model):
    """Answers piece by piece, as an async generator."""

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return self.pieces(payload["instances"])

    async def pieces(self, values: list[Any]) -> Any:
        for value in values:
            if value == "fail":
                raise ValueError("no such piece")
            yield value


class SyncCounting(Counting):
    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        yield from payload["instances"]


@pytest.mark.parametrize("kind", [Counting, SyncCounting])
async def test_a_generator_s_pieces_go_out_one_by_one(serve_models: Serve, until: Until, kind: Any) -> None:
    async with serve_models(kind("m")) as server:
        await until(lambda: is_ready(server))
        answer = await server.http.post("/v1/models/m:predict", json={"instances": ["one ", {"two": 2}, "three"]})
        assert answer.headers["transfer-encoding"] == "chunked"
        assert answer.text == 'one {"two":2}\nthree'
        nothing = await server.http.post("/v1/models/m:predict", json={"instances": []})
        assert (nothing.status_code, nothing.text) == (200, "")


async def test_a_generator_that_fails_at_once_answers_an_error_and_is_counted(
    serve_models: Serve, until: Until
) -> None:
    async with serve_models(Counting("m")) as server:
        await until(lambda: is_ready(server))
        answer = await server.http.post("/v1/models/m:predict", json={"instances": ["fail"]})
        assert (answer.status_code, answer.json()) == (500, {"error": "ValueError : no such piece"})
        v2 = await server.http.post("/v2/models/m/infer", json=V2_BODY)
        assert v2.status_code == 500
        metrics = (await server.http.get("/metrics")).text
        assert 'requests_total{model_name="m",outcome="InferenceError",protocol="v1"} 1.0' in metrics
        assert 'mooring_runtime_requests_in_flight{model_name="m",protocol="v1"} 0.0' in metrics


class Engine(Doubler):
    engine = True

    async def start_engine(self) -> None:
        self.calls.append("start_engine")

    def stop_engine(self) -> None:
        self.calls.append("stop_engine")


async def test_an_engine_is_started_after_the_model_and_stopped_after_it(serve_models: Serve, until: Until) -> None:
    model = Engine("m")
    async with serve_models(model) as server:
        await until(lambda: is_ready(server))
    assert model.calls == ["start", "start_engine", "load", "stop", "stop_engine"]


@pytest.mark.parametrize(
    ("error", "builtin"),
    [(InvalidInput("x"), ValueError), (InferenceError("x"), RuntimeError), (ModelNotReady("m"), RuntimeError)],
)
def test_kserve_s_errors_can_be_caught_as_python_s_own(error: Exception, builtin: type[Exception]) -> None:
    with pytest.raises(builtin):
        raise error


class Bare(InferenceModel):
    """As KServe's smallest models: one call, whose verb is only given where something is to be explained."""

    async def __call__(self, body: Any, headers: Any = None, **more: Any) -> Any:  # type: ignore[override] # as users do
        return {"got": body["instances"], "more": [each.name for each in more.values()]}, {"x-told": headers["x-asked"]}


async def test_a_model_that_is_one_call_is_called_as_kserve_calls_it(serve_models: Serve, until: Until) -> None:
    async with serve_models(Bare("m")) as server:
        await until(lambda: is_ready(server))
        for verb, more in (("predict", []), ("explain", ["EXPLAIN"])):
            answer = await server.http.post(f"/v1/models/m:{verb}", json={"instances": [1]}, headers={"x-asked": "it"})
            assert answer.json() == {"got": [1], "more": more}
            assert answer.headers["x-told"] == "it"
