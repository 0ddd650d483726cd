"""What went wrong with KServe on the same node (its own numbers in the tests' names) must go right here."""

import json
from typing import Any

import pytest

from e2e.kube import Manifest
from e2e.manifests import environment, trained_model
from e2e.models import tiny
from e2e.namespace import Namespace, pod_is_ready, says_ready
from e2e.release import Release
from e2e.serving import Serve, steady_requests
from e2e.storage import Storage

BUCKET = "failures"


@pytest.fixture(scope="module")
def uris(storage: Storage) -> dict[int, str]:
    """Folders of models that multiply by the key."""
    return {factor: storage.s3_folder(BUCKET, f"times-{factor}", tiny(factor)) for factor in range(2, 8)}


@pytest.mark.parametrize("count", [101, 500])
def test_f1_hundreds_of_models_are_there_when_the_pod_starts(
    space: Namespace, serve: Serve, uris: dict[int, str], count: int
) -> None:
    names = [f"model-{number}" for number in range(count)]
    space.create(*(trained_model(name, "many", uris[2]) for name in names))
    front = serve("many")
    space.until_ready("InferenceService", "many", timeout_s=90)
    space.until("the server has every model", lambda: len(front.index()) == count, 90)
    space.until("every TrainedModel is Ready", lambda: all(map(says_ready, space.all("TrainedModel"))), 60)


def test_f2_a_server_that_listens_late_gets_its_models(space: Namespace, serve: Serve, uris: dict[int, str]) -> None:
    front = serve("late", env=environment(START_DELAY_S="5"))
    space.apply(trained_model("model", "late", uris[2]))
    space.until_ready("TrainedModel", "model")
    assert space.until("the model answers", lambda: front.answer("model")) == 2.0


def test_f3_a_restarted_server_gets_its_models_back_and_ready_tells_the_truth(
    space: Namespace, serve: Serve, uris: dict[int, str]
) -> None:
    front = serve("restarted", env=environment(START_DELAY_S="3"))
    space.apply(trained_model("model", "restarted", uris[2]))
    space.until_ready("TrainedModel", "model")
    [pod] = space.pods("restarted")
    space.kubectl("exec", pod["metadata"]["name"], "-c", "kserve-container", "--", "sh", "-c", "kill 1")
    space.until("READY is not True", lambda: not space.is_ready("TrainedModel", "model"), 20)
    space.until_ready("TrainedModel", "model")
    assert space.until("the model answers", lambda: front.answer("model")) == 2.0


def test_f4_a_change_of_one_model_reloads_no_other(space: Namespace, serve: Serve, uris: dict[int, str]) -> None:
    front = serve("edits")
    space.apply(trained_model("a", "edits", uris[2]), trained_model("b", "edits", uris[3]))
    space.until_ready("TrainedModel", "a", "b")
    space.apply(trained_model("a", "edits", uris[4]))
    space.until("a's new version answers", lambda: front.answer("a") == 4.0)
    space.apply(trained_model("b", "edits", uris[5]))
    space.until("b's new version answers", lambda: front.answer("b") == 5.0)
    space.kubectl("patch", "trainedmodel", "a", "--type", "merge", "-p", '{"spec": {"model": {"framework": "other"}}}')
    space.apply(trained_model("c", "edits", uris[6]))
    space.until("c answers", lambda: front.answer("c") == 6.0)
    assert front.loads() == {"a": 2, "b": 2, "c": 1}


def test_f5_an_update_that_fails_leaves_the_old_version_serving(
    space: Namespace, serve: Serve, uris: dict[int, str]
) -> None:
    front = serve("update")
    space.apply(trained_model("model", "update", uris[2]))
    space.until_ready("TrainedModel", "model")
    space.until_settled("update")
    with steady_requests(front, "model") as seen:
        space.apply(trained_model("model", "update", f"s3://{BUCKET}/nothing-here"))
        space.until_message("TrainedModel", "model", "nothing-here")
        space.apply(trained_model("model", "update", uris[3]))
        space.until("the new version answers", lambda: 3.0 in seen.answers)
    assert seen.failures == []
    assert seen.answers == sorted(seen.answers)


def test_f6_touching_a_model_writes_nothing(space: Namespace, serve: Serve, uris: dict[int, str]) -> None:
    serve("touch")
    models = [trained_model(name, "touch", uris[2]) for name in ("a", "b", "c")]
    space.apply(*models)
    space.until_ready("TrainedModel", "a", "b", "c")
    before = space.get("ConfigMap", "modelconfig-touch-0")["metadata"]["resourceVersion"]
    for number in range(3):
        space.kubectl("annotate", "trainedmodels", "--all", "--overwrite", f"touched={number}")
    space.apply(*models)
    space.kubectl("delete", "trainedmodel", "c")
    space.until("c left the list", lambda: "c" not in listed(space, "touch"))
    written = space.changes_since("ConfigMap", before)
    assert [event["object"]["metadata"]["name"] for event in written] == ["modelconfig-touch-0"]


def test_f7_a_pod_replaced_while_the_operator_is_down_serves_its_models(
    space: Namespace, serve: Serve, uris: dict[int, str], release: Release
) -> None:
    front = serve("alone")
    space.apply(trained_model("model", "alone", uris[2]))
    space.until_ready("TrainedModel", "model")
    [old] = space.pods("alone")
    with release.without_operator():
        space.kubectl("delete", "pod", old["metadata"]["name"])
        space.until("the new pod is ready", lambda: any(map(pod_is_ready, space.pods("alone"))))
        assert space.until("the model answers", lambda: front.answer("model")) == 2.0


def test_f8_kubectl_rollout_restart_is_not_undone(space: Namespace, serve: Serve, uris: dict[int, str]) -> None:
    front = serve("restart")
    space.apply(trained_model("model", "restart", uris[2]))
    space.until_ready("TrainedModel", "model")
    [old] = space.pods("restart")
    space.kubectl("rollout", "restart", "deployment/restart-predictor")
    space.kubectl("rollout", "status", "deployment/restart-predictor", "--timeout=60s")
    space.apply(trained_model("second", "restart", uris[3]))
    space.until_ready("TrainedModel", "model", "second")
    template = space.get("Deployment", "restart-predictor")["spec"]["template"]
    assert "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"]
    assert old["metadata"]["name"] not in {pod["metadata"]["name"] for pod in space.pods("restart")}
    assert space.until("the model answers", lambda: front.answer("model")) == 2.0


def test_f9_both_kinds_in_one_apply_work_at_once(space: Namespace, serve: Serve, uris: dict[int, str]) -> None:
    front = serve("both", together=[trained_model("model", "both", uris[2])])
    assert space.until("the model answers", lambda: front.answer("model"), 30) == 2.0
    space.until_ready("TrainedModel", "model", timeout_s=10)


def test_f10_zero_replicas_are_not_ready(space: Namespace, serve: Serve) -> None:
    serve("zero", predictor={"minReplicas": 0})
    space.until("the Deployment asks for no pod", lambda: replicas(space, "zero-predictor") == 0)
    space.until_message("InferenceService", "zero", "minReplicas")
    assert not space.is_ready("InferenceService", "zero")


def test_f11_an_autoscaler_is_made_only_when_it_can_scale(space: Namespace, serve: Serve) -> None:
    serve("fixed")
    serve("elastic", predictor={"minReplicas": 1, "maxReplicas": 3})
    space.until_ready("InferenceService", "fixed", "elastic")
    scalers = [scaler["metadata"]["name"] for scaler in space.all("HorizontalPodAutoscaler")]
    assert scalers == ["elastic-predictor"]


def test_f12_an_object_that_is_uploaded_later_is_loaded(space: Namespace, serve: Serve, storage: Storage) -> None:
    front, prefix = serve("patient"), f"later-{space.name}"
    space.apply(trained_model("model", "patient", f"s3://{BUCKET}/{prefix}"))
    space.until_message("TrainedModel", "model", prefix)
    space.until_event("model", prefix)
    storage.s3_folder(BUCKET, prefix, tiny(2))
    assert space.until("the model answers", lambda: front.answer("model"), 90) == 2.0
    space.until_ready("TrainedModel", "model", timeout_s=10)


def test_f13_readiness_is_asked_every_second(space: Namespace, serve: Serve) -> None:
    serve("quick")
    space.until_ready("InferenceService", "quick")
    [pod] = space.pods("quick")
    periods = {c["name"]: c["readinessProbe"]["periodSeconds"] for c in pod["spec"]["containers"]}
    assert max(periods.values()) <= 1, periods


def test_a_standby_takes_over_from_a_killed_operator_and_touches_nothing(
    space: Namespace, serve: Serve, uris: dict[int, str], release: Release
) -> None:
    front = serve("kept")
    space.apply(trained_model("model", "kept", uris[2]))
    space.until_ready("TrainedModel", "model")
    space.until_settled("kept")
    before = identity(space, "kept")
    with steady_requests(front, "model") as seen:
        release.kill_active()
        serve("later")
        space.until_ready("InferenceService", "later")
    assert seen.failures == []
    assert identity(space, "kept") == before


def identity(space: Namespace, service: str) -> tuple[int, set[str]]:
    """What changes when a service is touched: its Deployment's generation, its pods."""
    generation: int = space.get("Deployment", f"{service}-predictor")["metadata"]["generation"]
    return generation, {pod["metadata"]["name"] for pod in space.pods(service)}


def listed(space: Namespace, service: str) -> dict[str, Any]:
    """The models in the service's ConfigMap."""
    text = space.get("ConfigMap", f"modelconfig-{service}-0")["data"]["models.json"]
    return {entry["modelName"]: entry["modelSpec"] for entry in json.loads(text)}


def replicas(space: Namespace, deployment: str) -> int | None:
    """The wanted pods of a Deployment, if it exists."""
    found: Manifest = space.find("Deployment", deployment) or {}
    count: int | None = found.get("spec", {}).get("replicas")
    return count
