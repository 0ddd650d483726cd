"""Models in replicas of a real Ray on this machine, behind our server."""

import asyncio
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.runtime.conftest import Serve
from tests.runtime.launched import launched

from mooring_runtime import (
    InferenceGRPCClient,
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
    Model,
    ModelServer,
)
from mooring_runtime.errors import InferenceError, InvalidInput, ModelLoadFailed, ModelNotReady, StartupError
from mooring_runtime.predictor_config import PredictorConfig

ray = pytest.importorskip("ray")
serve = pytest.importorskip("ray.serve")

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Ray with one GPU, as far as Ray knows: it hands out what it was told that there is."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        ray.init(num_cpus=2, num_gpus=1, include_dashboard=False)
        serve.start(proxy_location="Disabled")
        yield
        serve.shutdown()
        ray.shutdown()


def deployed(kind: type[Model], *args: Any, **options: Any) -> Any:
    """A `RayModel` named m; its application goes with the module's cluster."""
    from mooring_runtime.ray import RayModel

    options = {"ray_actor_options": {"num_cpus": 0}, **options}
    deployment = serve.deployment(kind, name="m", graceful_shutdown_wait_loop_s=0.1, **options)
    return RayModel("m", serve.run(deployment.bind(*args), name=kind.__name__, route_prefix=None))


class Teller(Model):
    """Says what reached it."""

    def __init__(self) -> None:
        super().__init__("m", return_response_headers=True)
        self.loads = 0

    def load(self) -> None:
        self.loads += 1
        self.ready = True

    def preprocess(self, payload: Any, headers: Any = None) -> Any:
        if isinstance(payload, dict) and payload.get("instances") == ["wrong"]:
            raise InvalidInput("not that one")
        return payload

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        response_headers["x-loads"] = str(self.loads)
        if isinstance(payload, InferRequest):
            doubled = payload.inputs[0].as_numpy() * 2
            return InferResponse(payload.id, self.name, [InferOutput.from_numpy("y", doubled)])
        match payload["instances"]:
            case ["pieces", *rest]:
                return self.pieces(rest)
            case ["pid"]:
                return {"pid": os.getpid()}
            case ["fail"]:
                raise KeyError("gone")
            case ["later"]:
                raise NotImplementedError("not yet")
            case ["tired"]:
                raise ModelNotReady("m")
        return {"verb": "predict", "id": headers["x-request-id"]}

    async def explain(self, payload: Any, headers: Any = None) -> Any:
        return {"verb": "explain", "id": headers["x-request-id"]}

    async def pieces(self, values: list[Any]) -> Any:
        for value in values:
            if value == "fail":
                raise ValueError("no such piece")
            yield value

    def get_input_types(self) -> Any:
        return [{"name": "x", "datatype": "FP32", "shape": [-1]}]


@pytest.fixture(scope="module")
def teller(cluster: None) -> Any:
    return deployed(Teller)


HEADERS = {"x-request-id": "r-1"}


async def test_the_verb_and_the_headers_reach_the_replica(teller: Any, serve_ready: Serve) -> None:
    async with serve_ready(teller) as server:
        for verb in ("predict", "explain"):
            answer = await server.http.post(f"/v1/models/m:{verb}", json={"instances": []}, headers=HEADERS)
            assert answer.json() == {"verb": verb, "id": "r-1"}


async def test_headers_to_send_and_times_of_handlers_come_back(teller: Any, serve_ready: Serve) -> None:
    async with serve_ready(teller) as server:
        answer = await server.http.post("/v1/models/m:predict", json={"instances": []}, headers=HEADERS)
        assert int(answer.headers["x-loads"]) >= 1
        metrics = (await server.http.get("/metrics")).text
        assert 'request_preprocess_seconds_count{model_name="m"} 1.0' in metrics
        assert 'request_predict_seconds_count{model_name="m"} 1.0' in metrics


async def test_tensors_go_there_and_back_however_they_came(teller: Any, serve_ready: Serve) -> None:
    raw = InferInput("x", [2], "FP32")
    raw.set_data_from_numpy(np.array([1, 2], np.float32))
    async with serve_ready(teller) as server, InferenceGRPCClient(server.grpc_target) as client:
        response = await client.infer(InferRequest("m", [raw], "q-1"))
        assert (response.id, response.outputs[0].as_numpy().tolist()) == ("q-1", [2, 4])
        body = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [3]}]}
        answer = await server.http.post("/v2/models/m/infer", json=body)
        assert answer.json()["outputs"][0]["data"] == [6]


async def test_pieces_go_out_one_by_one(teller: Any, serve_ready: Serve) -> None:
    async with serve_ready(teller) as server:
        body = {"instances": ["pieces", "one ", {"two": 2}]}
        answer = await server.http.post("/v1/models/m:predict", json=body)
        assert answer.headers["transfer-encoding"] == "chunked"
        assert (answer.text, answer.headers["x-loads"]) == ('one {"two":2}\n', "1")
        nothing = await server.http.post("/v1/models/m:predict", json={"instances": ["pieces"]})
        assert (nothing.status_code, nothing.text) == (200, "")


@pytest.mark.parametrize(
    ("instances", "status", "told"),
    [
        (["wrong"], 400, "not that one"),
        (["fail"], 500, "KeyError : 'gone'"),
        (["pieces", "fail"], 500, "ValueError : no such piece"),
        (["later"], 501, "not yet"),
        (["tired"], 503, "Model with name m is not ready."),
    ],
)
async def test_what_the_replica_raises_is_told_as_if_it_were_here(
    teller: Any, serve_ready: Serve, instances: list[str], status: int, told: str
) -> None:
    async with serve_ready(teller) as server:
        answer = await server.http.post("/v1/models/m:predict", json={"instances": instances})
        assert (answer.status_code, answer.json()) == (status, {"error": told})


async def test_metadata_is_the_replica_s(teller: Any, serve_ready: Serve) -> None:
    async with serve_ready(teller) as server:
        metadata = (await server.http.get("/v2/models/m")).json()
        assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1]}]


class Endless(Model):
    """Says how many of its streams were left."""

    def __init__(self) -> None:
        super().__init__("m")
        self.left = 0

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return {"left": self.left} if payload["instances"] else self.pieces()

    async def pieces(self) -> Any:
        try:
            while True:
                yield "on and "
                await asyncio.sleep(0.01)
        finally:
            self.left += 1


async def test_a_stream_that_the_client_leaves_ends_in_the_replica(serve_ready: Serve, until: Until) -> None:
    async with serve_ready(deployed(Endless)) as server:
        async with server.http.stream("POST", "/v1/models/m:predict", json={"instances": []}) as answer:
            assert await anext(answer.aiter_text()) == "on and "

        async def left() -> bool:
            told = await server.http.post("/v1/models/m:predict", json={"instances": [1]})
            return bool(told.json() == {"left": 1})

        await until(left)


class Counter(Teller):
    """Its constructor does not load it."""


async def test_every_replica_is_loaded_before_its_first_request_and_again_on_a_load_request(
    serve_ready: Serve,
) -> None:
    async with serve_ready(deployed(Counter, num_replicas=2)) as server:
        for loads in ("1", "2"):
            seen: dict[int, str] = {}
            for _ in range(200):
                answer = await server.http.post("/v1/models/m:predict", json={"instances": ["pid"]})
                seen[answer.json()["pid"]] = answer.headers["x-loads"]
                if len(seen) == 2:
                    break
            assert list(seen.values()) == [loads, loads]
            assert os.getpid() not in seen
            assert (await server.http.post("/v2/repository/models/m/load")).status_code == 200


class Forwarding(Model):
    def __init__(self) -> None:
        super().__init__("m")

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        assert self.predictor_config is not None
        return {"host": self.predictor_config.predictor_host}


async def test_a_transformer_in_a_replica_knows_its_predictor(serve_ready: Serve) -> None:
    model = deployed(Forwarding)
    model.predictor_config = PredictorConfig("predictor:80")
    async with serve_ready(model) as server:
        answer = await server.http.post("/v1/models/m:predict", json={"instances": []})
        assert answer.json() == {"host": "predictor:80"}


class Hopeless(Model):
    def __init__(self) -> None:
        super().__init__("m")

    def load(self) -> None:
        raise OSError("no such weights")


def test_a_deployment_that_cannot_load_is_told_with_its_reason() -> None:
    from mooring_runtime.ray import Session
    from mooring_runtime.sdk.ray_deployment import DeployedModel

    deployment = serve.deployment(Hopeless, ray_actor_options={"num_cpus": 0}, max_constructor_retry_count=1)
    model = DeployedModel("hopeless", deployment, Session())
    with pytest.raises(ModelLoadFailed, match="no such weights"):
        model.load()
    assert not model.ready
    model.stop()


class Slow(Model):
    def __init__(self) -> None:
        super().__init__("m")

    def load(self) -> None:
        time.sleep(600)


async def test_a_load_that_lasts_is_given_up_with_the_server_and_nothing_is_deployed_any_more(until: Until) -> None:
    from mooring_runtime.sdk.ray_deployment import DeployedModel, cluster

    with cluster() as session:
        model = DeployedModel("slow", serve.deployment(Slow, ray_actor_options={"num_cpus": 0}), session)
        loading = model.load()

        async def deploys() -> bool:
            return "slow" in serve.status().applications

        async def is_gone() -> bool:
            return not await deploys()

        await until(deploys)
    with pytest.raises(ModelLoadFailed, match="Ray has ended"):
        await loading
    await until(is_gone)
    with pytest.raises(ModelLoadFailed, match="Ray has ended"):
        await model.load()


class Stranger:
    def __call__(self, body: Any) -> Any:
        return body


def test_a_deployment_that_is_no_model_is_refused() -> None:
    with pytest.raises(ModelLoadFailed, match="Its class must be a Model"):
        deployed(Stranger).load()  # type: ignore[arg-type] # that is what is tested


def test_deployments_have_replicas_and_no_workers() -> None:
    with pytest.raises(StartupError, match="num_replicas"):
        ModelServer(workers=2).start({"m": serve.deployment(Half)})


class Half(Model):
    def __init__(self) -> None:
        super().__init__("m")

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return {"gpus": ray.get_runtime_context().get_accelerator_ids()["GPU"]}


async def test_two_replicas_share_a_gpu_by_halves(serve_ready: Serve) -> None:
    options = {"num_cpus": 0, "num_gpus": 0.5}
    async with serve_ready(deployed(Half, num_replicas=2, ray_actor_options=options)) as server:
        answer = await server.http.post("/v1/models/m:predict", json={"instances": []})
        assert answer.json() == {"gpus": ["0"]}
        assert ray.available_resources().get("GPU", 0) == 0


async def test_a_model_without_replicas_is_not_ready(serve_ready: Serve) -> None:
    model = deployed(Forwarding)
    async with serve_ready(model) as server:
        serve.delete("Forwarding")
        answer = await server.http.post("/v1/models/m:predict", json={"instances": []})
        assert answer.status_code == 503
        assert "Ray Serve says" in answer.json()["error"]


@pytest.mark.parametrize("form", ["deployment", "handle"])
def test_replicas_are_not_multiplied_by_workers(form: str) -> None:
    from mooring_runtime.ray import RayModel

    models: Any = {"deployment": {"m": serve.deployment(Forwarding)}, "handle": [RayModel("m", None)]}
    with pytest.raises(StartupError, match="num_replicas, not --workers"):
        ModelServer(http_port=0, grpc_port=0, workers=2).start(models[form])


def test_errors_survive_the_way_between_processes() -> None:
    for error in (ModelNotReady("m", "It rests."), ModelLoadFailed("a", "b"), InferenceError("x", "7", {"k": 1})):
        copy = ray.cloudpickle.loads(ray.cloudpickle.dumps(error))
        assert (type(copy), str(copy), copy.__dict__) == (type(error), str(error), error.__dict__)


PROGRAM = """
import kserve
import ray
from helper import double
from ray import serve


@serve.deployment(
    name="custom-model",
    num_replicas=2,
    ray_actor_options={"num_cpus": 0.5, "num_gpus": 0.5},
    graceful_shutdown_wait_loop_s=0.1,
)
class Doubler(kserve.Model):
    def __init__(self):
        self.name = "custom-model"
        super().__init__(self.name)
        self.load()

    def load(self):
        self.ready = True

    def predict(self, payload, headers=None):
        return {"predictions": [double(x) for x in payload["instances"]]}


if __name__ == "__main__":
    ray.init(num_cpus=2, num_gpus=1)
    kserve.ModelServer().start({"custom-model": Doubler})
    print("after start", flush=True)
"""
HELPER = "from kserve import errors\n\ndef double(x):\n    return 2 * x\n"


def children_of_ray() -> set[int]:
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                line = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if re.search(rb"raylet|gcs_server|ray::", line):
                found.add(int(process.name))
    return found


def test_a_program_that_hands_over_deployments_runs_unedited_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "program.py").write_text(PROGRAM)
    before = children_of_ray()
    with launched(tmp_path / "program.py", **QUIET) as server:
        answer = server.http.post("/v1/models/custom-model:predict", json={"instances": [1, 2]})
        assert answer.json() == {"predictions": [2, 4]}
        assert server.http.post("/v2/repository/models/custom-model/unload").status_code == 200
        assert server.http.get("/v1/models/custom-model").status_code == 404
        assert server.http.post("/v2/repository/models/custom-model/load").status_code == 200
        answer = server.http.post("/v1/models/custom-model:predict", json={"instances": [3]})
        assert answer.json() == {"predictions": [6]}
    assert children_of_ray() <= before
