"""v1beta1: short forms mean `model`, and Kubernetes' own parts come through unchanged."""

from typing import Any

import pytest

from mooring_api.v1beta1 import FRAMEWORKS, InferenceService, Predictor


def predictor(**fields: Any) -> Predictor:
    return InferenceService.model_validate({"spec": {"predictor": fields}}).spec.predictor


def test_a_custom_container_is_no_model() -> None:
    assert predictor(containers=[{"image": "x"}]).effective_model() is None


def test_model_is_taken_as_it_is() -> None:
    given = {"modelFormat": {"name": "pytorch", "version": "2"}, "runtime": "r", "storageUri": "s3://b/m"}
    model = predictor(model=given).effective_model()
    assert model is not None
    assert model.to_wire() == given


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_short_form_means_model(framework: str) -> None:
    short = {"storageUri": "s3://b/m", "runtimeVersion": "1", "env": [{"name": "A", "value": "1"}], "args": ["--x"]}
    model = predictor(**{framework: short}).effective_model()
    assert model is not None
    protocol = {"protocolVersion": "v2"} if framework in ("triton", "onnx", "huggingface") else {}
    assert model.to_wire() == {**short, **protocol, "modelFormat": {"name": framework}}
    assert model.container() == {"env": short["env"], "args": short["args"]}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_protocol_that_is_given_wins_over_the_short_forms_own(framework: str) -> None:
    model = predictor(**{framework: {"protocolVersion": "grpc-v2"}}).effective_model()
    assert model is not None
    assert model.protocol_version == "grpc-v2"


def test_pod_fields_come_through_and_ours_do_not_leak_into_the_pod() -> None:
    pod = {
        "containers": [{"name": "c", "image": "x", "futureField": {"deep": [1]}}],
        "hostIPC": True,
        "setHostnameAsFQDN": True,
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "serviceAccountName": "sa",
    }
    assert predictor(**pod, minReplicas=2, timeout=3).pod_spec() == pod
