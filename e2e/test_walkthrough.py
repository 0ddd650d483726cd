"""The user's multi-model walk-through, step by step, with its own manifests from `examples/`, in namespace `default`.

Each test is a step that starts where the one before ended; after a failed step the rest is skipped.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from e2e import manifests, models
from e2e.kube import Cluster
from e2e.namespace import Namespace
from e2e.release import Release
from e2e.serving import Front, front, request_body, steady_requests
from e2e.storage import Storage
from e2e.target import ROOT, Target

SERVICE = "custom-model-mms"
BUCKET = "walk-through"
CLAIM = "walk-through"
COLUMNS_SERVICE = ["NAME", "URL", "READY", "PREV", "LATEST", "PREVROLLEDOUTREVISION", "LATESTREADYREVISION", "AGE"]
COLUMNS_MODEL = ["NAME", "URL", "READY", "AGE"]
SAMPLE_IMAGE = "mooring/runtime:0.1.0"
SAMPLE_GRPC_IMAGE = "example/custom-model-grpc:v1"
SAMPLE_URI = "s3://example-models/models/model{}"
HOST = "custom-model-mms.default.example.com"

pytestmark = pytest.mark.incremental


@dataclass
class Walk:
    """What the steps share."""

    target: Target
    images: dict[str, str]
    space: Namespace
    storage: Storage
    release: Release
    front: Front
    uris: dict[str, str] = field(default_factory=dict)

    def example(self, path: str, values: dict[str, str]) -> str:
        """A manifest of `examples/` with the user's own image or URI instead of its sample, nothing else changed."""
        text = (ROOT / "examples" / path).read_text()
        for sample, own in values.items():
            assert sample in text, f"examples/{path} has no {sample}"
            text = text.replace(sample, own)
        return text

    def pod(self) -> str:
        """The one predictor pod that is ready."""
        pods = self.space.pods(SERVICE)
        assert len(pods) == 1, [pod["metadata"]["name"] for pod in pods]
        name: str = pods[0]["metadata"]["name"]
        return name

    def of_the_service(self, kind: str) -> list[str]:
        """Names of objects that belong to the service, by name or by label."""
        found = (entry["metadata"] for entry in self.space.all(kind))
        return [m["name"] for m in found if SERVICE in m["name"] or SERVICE in m.get("labels", {}).values()]

    def curl(self, *args: str) -> tuple[int, str]:
        """Curl from this machine: status code and body."""
        return self._split(self.space.cluster.run("curl", "-sS", "-m", "10", "-w", "\n%{http_code}", *args).out)

    def curl_inside(self, *args: str) -> tuple[int, str]:
        """Curl from another pod of the cluster: status code and body."""
        return self._split(
            self.space.attempt("exec", "client", "--", "curl", "-sS", "-m", "10", "-w", "\n%{http_code}", *args).out
        )

    @staticmethod
    def _split(printed: str) -> tuple[int, str]:
        body, _, code = printed.rpartition("\n")
        return int(code or 0), body


@pytest.fixture(scope="module")
def walk(
    target: Target, images: dict[str, str], cluster: Cluster, storage: Storage, release: Release
) -> Iterator[Walk]:
    space = Namespace(cluster, "default")
    space.apply(storage.credentials("walk-through-s3"))
    space.kubectl("patch", "serviceaccount", "default", "-p", '{"secrets": [{"name": "walk-through-s3"}]}')
    volume, claim = manifests.host_path_claim(CLAIM, "/var/tmp/mooring-e2e/walk-through")
    space.apply(volume, claim, manifests.client_pod("client", images["tiny-server"], CLAIM))
    space.until("the client pod runs", lambda: space.get("Pod", "client").get("status", {}).get("phase") == "Running")
    with front(target.ingress_url, HOST) as served:
        yield Walk(target, images, space, storage, release, served)
    space.kubectl("delete", "inferenceservice", SERVICE, "custom-model-grpc", "--ignore-not-found")
    space.kubectl("delete", "trainedmodels", "--all")
    space.kubectl("delete", "pod/client", f"pvc/{CLAIM}", "secret/walk-through-s3", "--ignore-not-found")
    space.kubectl("delete", "pv", CLAIM, "--ignore-not-found")
    space.kubectl("patch", "serviceaccount", "default", "-p", '{"secrets": null}')


def rows(table: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of what `kubectl get` printed."""
    header, *rest = table.strip().splitlines()
    return header.split(), [line.split() for line in rest]


def messages(log: str) -> list[str]:
    """The texts of the agent's log lines, each of which is JSON with level, ts, caller and msg."""
    lines = [json.loads(line) for line in log.splitlines()]
    assert all({"level", "ts", "caller", "msg"} <= line.keys() for line in lines)
    return [line["msg"] for line in lines]


def test_01_the_service_gets_ready_and_prints_the_columns_of_the_walk_through(walk: Walk) -> None:
    manifest = walk.example("inferenceservice.yaml", {SAMPLE_IMAGE: walk.images["runtime"]})
    walk.space.kubectl("apply", "-f", "-", stdin=manifest)
    walk.space.until_ready("InferenceService", SERVICE, timeout_s=120)
    header, [row] = rows(walk.space.kubectl("get", "inferenceservice"))
    assert header == COLUMNS_SERVICE
    name, url, ready, latest, revision, age = row
    assert (name, url, ready, latest) == (SERVICE, f"http://{HOST}", "True", "100")
    assert revision.startswith(f"{SERVICE}-predictor-")
    assert re.fullmatch(r"\d+[sm]\S*", age)


def test_02_two_models_from_s3_get_ready_and_print_the_columns_of_the_walk_through(walk: Walk) -> None:
    walk.uris = {
        SAMPLE_URI.format(1): walk.storage.s3_folder(BUCKET, "model1", models.scaling(2)),
        SAMPLE_URI.format(2): walk.storage.s3_folder(BUCKET, "model2", models.scaling(3)),
    }
    walk.space.kubectl("apply", "-f", "-", stdin=walk.example("trainedmodels.yaml", walk.uris))
    walk.space.until_ready("TrainedModel", "model1-custom", "model2-custom", timeout_s=120)
    header, listed = rows(walk.space.kubectl("get", "trainedmodel"))
    assert header == COLUMNS_MODEL
    assert [row[:3] for row in listed] == [
        [f"model{n}-custom", f"http://{HOST}/v2/models/model{n}-custom/infer", "True"] for n in (1, 2)
    ]


def test_03_the_pod_is_named_after_the_predictor_and_its_agent_logs_what_it_did(walk: Walk) -> None:
    pod = walk.pod()
    assert pod.startswith(f"{SERVICE}-predictor-")
    said = messages(walk.space.logs(pod, "agent"))
    for number in (1, 2):
        assert f"Downloading model from {walk.uris[SAMPLE_URI.format(number)]}" in said
        assert f"Successfully loaded model model{number}-custom" in said


def test_04_models_come_from_gcs_too(walk: Walk) -> None:
    uri = walk.storage.gcs_folder(BUCKET, "model3", models.scaling(4))
    walk.space.apply(manifests.trained_model("model3-gs", SERVICE, uri, "256Mi"))
    walk.space.until_ready("TrainedModel", "model3-gs", timeout_s=30)
    assert walk.space.until("model3-gs answers", lambda: walk.front.answer("model3-gs", 2.0)) == 8.0


def test_05_models_come_from_a_persistent_volume_claim_too(walk: Walk) -> None:
    (name, content), *_ = models.scaling(6).items()
    write = f"mkdir -p /claim/model4 && base64 -d > /claim/model4/{name}"
    walk.space.kubectl("exec", "-i", "client", "--", "sh", "-c", write, stdin=base64.b64encode(content).decode())
    walk.space.apply(manifests.trained_model("model4-pvc", SERVICE, f"pvc://{CLAIM}/model4", "256Mi"))
    walk.space.until_ready("TrainedModel", "model4-pvc", timeout_s=120)
    assert walk.space.until("model4-pvc answers", lambda: walk.front.answer("model4-pvc", 2.0)) == 12.0


@pytest.mark.parametrize(("model", "value", "expected"), [("model1-custom", 1.0, 2.0), ("model2-custom", 2.0, 6.0)])
def test_06_curl_through_the_ingress_gets_the_answer(walk: Walk, model: str, value: float, expected: float) -> None:
    url = walk.space.kubectl("get", "inferenceservice", SERVICE, "-o", "jsonpath={.status.url}")
    host = url.split("/")[2]
    where = f"{walk.target.ingress_url}/v2/models/{model}/infer"
    status, body = walk.curl("-H", f"Host: {host}", where, "-d", json.dumps(request_body(value)))
    assert (status, json.loads(body)["outputs"][0]["data"]) == (200, [expected])


def test_07_curl_inside_the_cluster_gets_the_answer_at_the_services_own_name(walk: Walk) -> None:
    where = "http://custom-model-mms.default/v2/models/model1-custom/infer"

    def answered() -> str | None:
        status, body = walk.curl_inside(where, "-d", json.dumps(request_body(1.0)))
        return body if status == 200 else None

    body = walk.space.until("curl gets 200", answered, 10)  # the pod is new: its address takes a moment to arrive
    assert json.loads(body)["outputs"][0]["data"] == [2.0]


def test_08_a_new_storage_uri_is_served_without_a_failed_request(walk: Walk) -> None:
    walk.uris[SAMPLE_URI.format(1)] = walk.storage.s3_folder(BUCKET, "model1-v2", models.scaling(20))
    walk.space.until_settled(SERVICE)
    with steady_requests(walk.front, "model1-custom") as seen:
        walk.space.until("the old version answers", lambda: seen.answers)
        walk.space.kubectl("apply", "-f", "-", stdin=walk.example("trainedmodels.yaml", walk.uris))
        walk.space.until("the new version answers", lambda: 20.0 in seen.answers, 30)
    assert seen.failures == []
    assert seen.answers == sorted(seen.answers), "the old version came back"
    walk.space.until_ready("TrainedModel", "model1-custom")


def test_09_a_deleted_model_is_unloaded(walk: Walk) -> None:
    walk.space.delete("trainedmodel", "model2-custom")
    walk.space.until("model2-custom answers 404", lambda: walk.front.infer("model2-custom").status_code == 404, 10)
    pod, text = walk.pod(), "Successfully unloaded model model2-custom"
    walk.space.until("the agent says so", lambda: text in messages(walk.space.logs(pod, "agent")), 10)
    assert walk.front.answer("model1-custom") == 20.0


def test_10_models_come_back_when_the_server_is_killed(walk: Walk) -> None:
    pod = walk.pod()
    walk.space.kubectl("exec", pod, "-c", "kserve-container", "--", "sh", "-c", "kill 1")

    def restarts() -> int:
        statuses = walk.space.get("Pod", pod)["status"]["containerStatuses"]
        return sum(s["restartCount"] for s in statuses if s["name"] == "kserve-container")

    walk.space.until("the server's container restarted", lambda: restarts() == 1)
    for model, expected in {"model1-custom": 20.0, "model3-gs": 4.0, "model4-pvc": 6.0}.items():
        walk.space.until(f"{model} is back", lambda m=model, e=expected: walk.front.answer(m) == e)  # type: ignore[misc]  # defaults bind the loop's names
    walk.space.until_ready("TrainedModel", "model1-custom", "model3-gs", "model4-pvc")


def test_11_without_the_operator_models_serve_and_delete_works_and_a_new_one_catches_up(walk: Walk) -> None:
    pod = walk.pod()
    with walk.release.without_operator():
        walk.space.delete("trainedmodel", "model3-gs")
        added = walk.storage.s3_folder(BUCKET, "model5", models.scaling(7))
        changed = walk.storage.s3_folder(BUCKET, "model4-v2", models.scaling(60))
        walk.space.apply(
            manifests.trained_model("model5-new", SERVICE, added, "256Mi"),
            manifests.trained_model("model4-pvc", SERVICE, changed, "256Mi"),
        )
        assert walk.front.answer("model1-custom") == 20.0
    walk.space.until("the new model answers", lambda: walk.front.answer("model5-new") == 7.0, 120)
    walk.space.until("the changed model answers", lambda: walk.front.answer("model4-pvc") == 60.0, 120)
    walk.space.until("the deleted model is gone", lambda: walk.front.infer("model3-gs").status_code == 404)
    walk.space.until_ready("TrainedModel", "model1-custom", "model4-pvc", "model5-new", timeout_s=120)
    assert walk.pod() == pod, "the operator's start replaced the pod"


def test_12_grpc_inference_works_through_the_service(walk: Walk) -> None:
    manifest = walk.example("custom_grpc.yaml", {SAMPLE_GRPC_IMAGE: walk.images["runtime"]})
    walk.space.kubectl("apply", "-f", "-", stdin=manifest)
    uri = walk.uris[SAMPLE_URI.format(1)]
    walk.space.apply(manifests.trained_model("grpc-model", "custom-model-grpc", uri))
    walk.space.until_ready("TrainedModel", "grpc-model", timeout_s=120)
    port = walk.space.get("Service", "custom-model-grpc-predictor")["spec"]["ports"][0]
    assert (port["name"], port["port"], port.get("appProtocol")) == ("h2c", 80, "kubernetes.io/h2c")
    address = walk.space.get("Service", "custom-model-grpc")["spec"]["clusterIP"]
    tensor = {"name": "input-0", "shape": [1], "datatype": "FP32", "contents": {"fp32_contents": [2.0]}}
    body = json.dumps({"model_name": "grpc-model", "inputs": [tensor]})
    call = ("-plaintext", "-d", body, f"{address}:80", "inference.GRPCInferenceService/ModelInfer")
    answer = walk.space.until("grpcurl succeeds", lambda: walk.space.cluster.run("grpcurl", *call).out, 10)
    assert json.loads(answer)["modelName"] == "grpc-model"
    walk.space.delete("inferenceservice", "custom-model-grpc")
    walk.space.until_gone("TrainedModel", "grpc-model")


def test_13_deleting_the_service_deletes_its_models_and_leaves_nothing(walk: Walk) -> None:
    walk.space.kubectl("delete", "inferenceservice", SERVICE)
    for kind in ("TrainedModel", "Deployment", "ReplicaSet", "Pod", "Service", "Ingress", "ConfigMap"):
        walk.space.until(f"no {kind} is left", lambda kind=kind: not walk.of_the_service(kind))  # type: ignore[misc]  # a default binds the loop's name
