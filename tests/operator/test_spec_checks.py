from typing import Any

import pytest

from mooring_api import names
from mooring_api.v1beta1 import FRAMEWORKS, InferenceServiceSpec
from mooring_operator.core.observed import Manifest, Meta
from mooring_operator.core.refusal import Refused
from mooring_operator.core.spec_checks import check_spec

SERVER: Manifest = {"name": "kserve-container", "image": "a"}
CUSTOM: Manifest = {"containers": [SERVER]}
MODEL: Manifest = {"model": {"modelFormat": {"name": "pytorch"}, "storageUri": "s3://b/m"}}


def _check(predictor: Manifest, name: str = "svc", annotations: dict[str, str] | None = None, **spec: Any) -> None:
    body = InferenceServiceSpec.model_validate({"predictor": predictor, **spec})
    check_spec(Meta(name, "ns", annotations=annotations or {}), body)


@pytest.mark.parametrize(
    "predictor",
    [
        CUSTOM,
        MODEL,
        {"pytorch": {}, "containers": [{"name": "side"}], "initContainers": [{"name": "init"}]},
        {"containers": [{"image": "unnamed"}]},
        {"containers": [{"image": "unnamed"}, {"name": "side"}]},
        {**CUSTOM, "minReplicas": 2, "maxReplicas": 0},
        {**CUSTOM, "minReplicas": 1, "maxReplicas": 3, "scaleMetric": "memory", "scaleMetricType": "AverageValue"},
        {
            **CUSTOM,
            "storageUris": [{"uri": "s3://b/1", "mountPath": "/mnt/m/1"}, {"uri": "gs://b/2", "mountPath": "/mnt/m/2"}],
        },
        {**CUSTOM, "storageUris": [{"uri": "pvc://a", "mountPath": "/a"}, {"uri": "pvc://b", "mountPath": "/b"}]},
        {"containers": [{**SERVER, "env": [{"name": "PROTOCOL", "value": "v1"}], "resources": {"limits": {"cpu": 1}}}]},
    ],
    ids=[
        "custom",
        "model",
        "sidecars",
        "unnamed",
        "first-unnamed",
        "replicas",
        "autoscaled",
        "uris",
        "claims",
        "protocol",
    ],
)
def test_a_good_predictor_passes(predictor: Manifest) -> None:
    _check(predictor)


@pytest.mark.parametrize("mode", ["Standard", "RawDeployment"])
def test_both_names_of_the_only_mode_pass(mode: str) -> None:
    _check(CUSTOM, annotations={names.ANNOTATION_DEPLOYMENT_MODE: mode})


@pytest.mark.parametrize("scaler", ["hpa", "none", "external"])
def test_supported_autoscalers_pass(scaler: str) -> None:
    _check(CUSTOM, annotations={names.ANNOTATION_AUTOSCALER_CLASS: scaler})


@pytest.mark.parametrize("name", ["1svc", "Svc", "a.b", "a" * 49], ids=["digit", "capital", "dot", "long"])
def test_a_name_that_is_no_service_name_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="another name") as caught:
        _check(CUSTOM, name=name)
    assert caught.value.reason == "InvalidName"


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (names.ANNOTATION_DEPLOYMENT_MODE, "Serverless", "DeploymentModeNotSupported"),
        (names.ANNOTATION_DEPLOYMENT_MODE, "ModelMesh", "DeploymentModeNotSupported"),
        (names.ANNOTATION_DEPLOYMENT_MODE, "Typo", "InvalidPredictorSpec"),
        (names.ANNOTATION_AUTOSCALER_CLASS, "keda", "NotSupported"),
        (names.ANNOTATION_AUTOSCALER_CLASS, "typo", "InvalidPredictorSpec"),
    ],
)
def test_an_annotation_that_asks_for_something_else_is_refused(key: str, value: str, reason: str) -> None:
    with pytest.raises(Refused, match=value) as caught:
        _check(CUSTOM, annotations={key: value})
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("predictor", "spec", "told"),
    [
        (CUSTOM, {"transformer": {"containers": [SERVER]}}, "transformer"),
        (CUSTOM, {"explainer": {}}, "explainer"),
        (CUSTOM, {"canary": [{"predictor": {}, "trafficPercent": 10}]}, "canary"),
        ({**CUSTOM, "workerSpec": {}}, {}, "workerSpec"),
        ({**CUSTOM, "logger": {}, "batcher": {}}, {}, "predictor.logger, predictor.batcher"),
        ({**CUSTOM, "name": "blue"}, {}, "predictor.name"),
        ({"pytorch": {"storage": {"path": "x"}}}, {}, "storageUri"),
        ({"pytorch": {"confidential": {"enabled": True}}}, {}, "confidential"),
        ({"containers": [SERVER, {"name": "transformer-container"}]}, {}, "transformer-container"),
    ],
    ids=["transformer", "explainer", "canary", "worker", "logger", "name", "storage", "confidential", "collocated"],
)
def test_what_is_not_supported_is_refused_and_named(predictor: Manifest, spec: Manifest, told: str) -> None:
    with pytest.raises(Refused, match=told) as caught:
        _check(predictor, **spec)
    assert caught.value.reason == "NotSupported"


@pytest.mark.parametrize(
    ("predictor", "told"),
    [
        ({}, "no implementation"),
        ({**CUSTOM, **MODEL}, "model and containers"),
        ({"pytorch": {}, "sklearn": {}}, "sklearn and pytorch"),
        ({"containers": [SERVER, {"image": "b"}]}, "no name"),
        ({"pytorch": {}, "containers": [{"image": "b"}]}, "no name"),
        ({**CUSTOM, "initContainers": [{"image": "b"}]}, "no name"),
        ({"containers": [{**SERVER, "env": ["A=1"]}]}, "env of container kserve-container"),
        ({"containers": [{**SERVER, "env": {"A": "1"}}]}, "env of container kserve-container"),
        ({"containers": [{**SERVER, "ports": [{"containerPort": "80"}]}]}, "containerPort"),
        ({"containers": [{**SERVER, "resources": ["cpu"]}]}, "resources of container"),
        ({"containers": [{**SERVER, "resources": {"limits": ["cpu"]}}]}, "resources of container"),
        ({"containers": [{**SERVER, "env": [{"name": "PYTHONPATH", "value": "/x"}]}]}, "PYTHONPATH"),
        ({"containers": [{**SERVER, "env": [{"name": "PROTOCOL", "value": "v3"}]}]}, "use v1 or v2"),
        ({"containers": [SERVER, {"name": "agent"}]}, "choose another"),
        ({**CUSTOM, "minReplicas": 3, "maxReplicas": 2}, "more than maxReplicas"),
        ({**CUSTOM, "scaleMetricType": "Value"}, "Utilization or AverageValue"),
    ],
)
def test_an_invalid_predictor_is_refused_with_what_is_wrong(predictor: Manifest, told: str) -> None:
    with pytest.raises(Refused, match=told) as caught:
        _check(predictor)
    assert caught.value.reason == "InvalidPredictorSpec"
    assert all(framework in str(caught.value) for framework in FRAMEWORKS) or "exactly one" not in str(caught.value)


@pytest.mark.parametrize(
    "scaling",
    [
        {"scaleMetric": "rps"},
        {"autoScaling": {"metrics": [{"type": "External", "external": {}}]}},
        {"autoScaling": {"metrics": [{"type": "Resource"}]}},
    ],
    ids=["metric", "external", "empty"],
)
def test_scaling_that_needs_more_than_an_hpa_is_refused(scaling: Manifest) -> None:
    with pytest.raises(Refused):
        _check({**CUSTOM, **scaling})
    _check({**CUSTOM, **scaling}, annotations={names.ANNOTATION_AUTOSCALER_CLASS: "none"})


@pytest.mark.parametrize(
    ("uris", "told"),
    [
        ([("s3://b/m", "/")], "below /"),
        ([("s3://b/m", "/mnt/../etc")], "without"),
        ([("s3://b/1", "/a"), ("s3://b/2", "/b")], "no common folder"),
        ([("pvc://a", "/mnt/a"), ("pvc://b", "/mnt/a")], "same mountPath"),
        ([("pvc://a", "/mnt/a"), ("s3://b/m", "/mnt/a/")], "same mountPath"),
    ],
    ids=["root", "parent", "apart", "twice", "mixed"],
)
def test_several_storage_uris_need_folders_that_fit_together(uris: list[tuple[str, str]], told: str) -> None:
    listed = [{"uri": uri, "mountPath": path} for uri, path in uris]
    with pytest.raises(Refused, match=told):
        _check({**CUSTOM, "storageUris": listed})


@pytest.mark.parametrize(
    "predictor",
    [MODEL, {"containers": [{**SERVER, "env": [{"name": "STORAGE_URI", "value": "s3://b/m"}]}]}],
    ids=["model", "env"],
)
def test_one_and_several_storage_uris_together_are_refused(predictor: Manifest) -> None:
    with pytest.raises(Refused, match="both given"):
        _check({**predictor, "storageUris": [{"uri": "s3://b/m"}]})
