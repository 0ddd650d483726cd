"""Bad input: each case ends in a message that says what is wrong, where the user looks for it."""

import pytest

from e2e.kube import Manifest
from e2e.manifests import environment, inference_service, service, trained_model
from e2e.models import MODEL_FILE, tiny
from e2e.namespace import Namespace
from e2e.release import Release
from e2e.serving import Serve
from e2e.storage import Storage

BUCKET = "bad-input"


@pytest.fixture(scope="module")
def good(storage: Storage) -> str:
    """A model folder that can be loaded."""
    return storage.s3_folder(BUCKET, "good", tiny(2))


def runtime(name: str, image: str, **spec: object) -> Manifest:
    """A ServingRuntime of the namespace for the format `known`."""
    container = {"name": "kserve-container", "image": image}
    formats = [{"name": "known", "autoSelect": True}]
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": name},
        "spec": {"containers": [container], "supportedModelFormats": formats} | spec,
    }


# What the API server refuses: kubectl says it.


def test_an_unknown_storage_scheme_is_refused(space: Namespace) -> None:
    said = space.refused(trained_model("model", "any", "ftp://host/model"))
    assert "spec.model.storageUri" in said
    assert "s3" in said


def test_an_illegal_model_name_is_refused(space: Namespace) -> None:
    said = space.refused(trained_model("model.v1", "any", f"s3://{BUCKET}/good"))
    assert "metadata.name" in said or "name" in said
    assert "." in said


def test_a_memory_that_is_no_quantity_is_refused(space: Namespace) -> None:
    assert "spec.model.memory" in space.refused(trained_model("model", "any", "s3://b/m", memory="much"))


def test_containers_and_model_together_are_refused(space: Namespace, images: dict[str, str]) -> None:
    model = {"modelFormat": {"name": "pytorch"}, "storageUri": "s3://b/m"}
    said = space.refused(inference_service("both", images["tiny-server"], {"model": model}))
    assert "spec.predictor" in said
    assert "containers" in said
    assert "model" in said


def test_an_empty_predictor_is_refused(space: Namespace) -> None:
    assert "spec.predictor" in space.refused(service("nothing", {}))


# What only the storage knows: the condition and an event say it.


def test_a_missing_bucket_is_named(space: Namespace, serve: Serve) -> None:
    serve("host")
    space.apply(trained_model("model", "host", "s3://no-such-bucket/model"))
    space.until_message("TrainedModel", "model", "no-such-bucket", "BucketNotFound")
    space.until_event("model", "no-such-bucket")


@pytest.mark.parametrize("key", [None, "wrong-key-id"], ids=["wrong secret", "wrong key id"])
def test_wrong_credentials_are_told_apart_and_not_printed(
    space: Namespace, serve: Serve, storage: Storage, good: str, key: str | None
) -> None:
    space.apply(storage.credentials("s3", key=key, secret="wrong-secret"))
    serve("host")
    space.apply(trained_model("model", "host", good))
    text = space.until_message("TrainedModel", "model", "InvalidCredentials")
    assert "wrong-secret" not in text
    space.until_event("model", "InvalidCredentials")


def test_a_missing_claim_is_named_and_harms_no_other_model(space: Namespace, serve: Serve, good: str) -> None:
    front = serve("host")
    space.apply(trained_model("fine", "host", good), trained_model("lost", "host", "pvc://no-such-claim/model"))
    space.until_message("TrainedModel", "lost", "no-such-claim", "PersistentVolumeClaim")
    space.until_ready("TrainedModel", "fine")
    assert space.until("the other model answers", lambda: front.answer("fine")) == 2.0


def test_a_corrupt_model_file_is_told_with_the_servers_own_words(
    space: Namespace, serve: Serve, storage: Storage, images: dict[str, str]
) -> None:
    serve("host", image=images["runtime"])
    uri = storage.s3_folder(BUCKET, "corrupt", {MODEL_FILE: b"this is no model"})
    space.apply(trained_model("model", "host", uri))
    space.until_message("TrainedModel", "model", "LoadFailed", timeout_s=90)
    space.until_event("model", "load")


# What the operator checks: the condition says it.


def test_a_model_of_no_service_says_which_one_is_missing(space: Namespace, good: str) -> None:
    space.apply(trained_model("model", "no-such-service", good))
    space.until_message("TrainedModel", "model", "no-such-service")


def test_a_model_larger_than_the_service_says_both_sizes(space: Namespace, serve: Serve, good: str) -> None:
    serve("host")
    space.apply(trained_model("model", "host", good, memory="2Gi"))
    space.until_message("TrainedModel", "model", "2Gi", "1Gi")
    condition = space.condition("TrainedModel", "model", "MemoryResourceAvailable")
    assert condition["status"] == "False"


def test_an_unknown_model_format_is_named(space: Namespace) -> None:
    space.apply(service("isvc", {"model": {"modelFormat": {"name": "fortran"}, "storageUri": "s3://b/m"}}))
    space.until_message("InferenceService", "isvc", "fortran")
    status = space.get("InferenceService", "isvc")["status"]["modelStatus"]
    assert status["lastFailureInfo"]["reason"] == "NoSupportingRuntime"


@pytest.mark.parametrize(("exists", "reason"), [(True, "RuntimeDisabled"), (False, "RuntimeNotRecognized")])
def test_a_disabled_or_missing_runtime_is_named(
    space: Namespace, images: dict[str, str], exists: bool, reason: str
) -> None:
    if exists:
        space.apply(runtime("the-runtime", images["tiny-server"], disabled=True))
    model = {"modelFormat": {"name": "known"}, "runtime": "the-runtime", "storageUri": "s3://b/m"}
    space.apply(service("isvc", {"model": model}))
    space.until_message("InferenceService", "isvc", "the-runtime")
    status = space.get("InferenceService", "isvc")["status"]["modelStatus"]
    assert status["lastFailureInfo"]["reason"] == reason


# What only the node knows.


def test_an_image_that_cannot_be_pulled_is_named(space: Namespace, serve: Serve) -> None:
    serve("isvc", image="mooring/no-such-image:1")
    space.until_message("InferenceService", "isvc", "mooring/no-such-image:1")


def test_a_container_that_crashes_is_told_with_its_exit_status(space: Namespace, serve: Serve) -> None:
    serve("isvc", env=environment(CRASH="no weights found"))
    space.until_message("InferenceService", "isvc", "kserve-container", "3")


def test_an_invalid_operator_configuration_names_the_key(release: Release) -> None:
    with release.broken_config({"workers": 0, "ingres": {}}):
        said = release.until_operator_says("workers", "ingres")
    assert "unknown key" in said


def test_helm_refuses_an_invalid_configuration(release: Release) -> None:
    said = release.refused({"config": {"workers": 0}})
    assert "workers" in said
