from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import pytest

from mooring_operator.core.decide import decide
from mooring_operator.core.observed import Credentials, Manifest, Observed, Runtime, SecretKeys
from mooring_operator.settings import Settings

Build = Callable[..., Manifest]
Observe = Callable[..., Observed]
Find = Callable[..., Manifest]


def _deployment(replicas: int = 1, **conditions: str) -> Manifest:
    told = [{"type": kind, "status": status, "reason": "R", "message": "said"} for kind, status in conditions.items()]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "svc-predictor", "namespace": "ns"},
        "spec": {"replicas": replicas},
        "status": {"conditions": told},
    }


def _status(observed: Observed, settings: Settings, now: datetime) -> Manifest:
    return next(dict(w.status) for w in decide(observed, settings, now).statuses if w.ref.kind == "InferenceService")


def _ready(status: Manifest, kind: str = "Ready") -> str:
    return next(str(entry["status"]) for entry in status["conditions"] if entry["type"] == kind)


def test_a_ready_service_shows_where_it_answers_and_who_serves(
    isvc: Build, pod: Build, observe: Observe, settings: Settings, now: datetime
) -> None:
    status = _status(observe(isvc(generation=7), children=[_deployment()], pods=[pod("a", agent=False)]), settings, now)
    assert status == {
        "observedGeneration": 7,
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": "2026-11-21T12:00:00Z"}
            for kind in ("IngressReady", "PredictorReady", "Ready")
        ],
        "url": "http://svc.ns.example.com",
        "address": {"url": "http://svc-predictor.ns.svc.cluster.local"},
        "components": {
            "predictor": {
                "url": "http://svc-predictor.ns.example.com",
                "latestCreatedRevision": "svc-predictor-1",
                "latestReadyRevision": "svc-predictor-1",
                "traffic": [{"latestRevision": True, "percent": 100, "revisionName": "svc-predictor-1"}],
            }
        },
        "modelStatus": {
            "transitionStatus": "UpToDate",
            "states": {"activeModelState": "Loaded", "targetModelState": "Loaded"},
            "copies": {"failedCopies": 0, "totalCopies": 1},
        },
        "deploymentMode": "Standard",
    }


@pytest.mark.parametrize(
    ("deployment", "ready_pods", "expected"),
    [
        (_deployment(), 0, "False"),
        (_deployment(Available="True"), 0, "False"),
        (_deployment(Available="False"), 1, "False"),
        (_deployment(Available="True"), 1, "True"),
        (_deployment(4, Available="False"), 2, "True"),
        (None, 2, "True"),
    ],
    ids=["none", "stale-available", "too-few", "available", "scaling-up", "not-seen-yet"],
)
def test_ready_needs_pods_that_answer(
    isvc: Build,
    pod: Build,
    observe: Observe,
    settings: Settings,
    now: datetime,
    deployment: Manifest | None,
    ready_pods: int,
    expected: str,
) -> None:
    pods = [pod(f"p{index}", ready=index < ready_pods, agent=False) for index in range(2)]
    body = isvc({"containers": [{"image": "a"}], "minReplicas": 2})
    observed = observe(body, children=[deployment] if deployment else [], pods=pods)
    assert _ready(_status(observed, settings, now)) == expected


def test_zero_replicas_are_never_ready(
    isvc: Build, pod: Build, observe: Observe, settings: Settings, now: datetime, condition: Find, child_of: Find
) -> None:
    body = isvc({"containers": [{"image": "a"}], "minReplicas": 0, "maxReplicas": 3})
    observed = observe(body, children=[_deployment(0, Available="True")])
    status = _status(observed, settings, now)
    assert (_ready(status), condition(status, "PredictorReady")["reason"]) == ("False", "ZeroReplicas")
    assert "modelStatus" not in status
    plan = decide(observed, settings, now)
    assert child_of(plan, "Deployment")["spec"]["replicas"] == 0
    assert "HorizontalPodAutoscaler" not in {made["kind"] for made in plan.apply}


def test_nothing_changes_in_the_status_while_pods_start(
    isvc: Build, pod: Build, observe: Observe, settings: Settings, now: datetime
) -> None:
    first = _status(observe(isvc()), settings, now)
    creating = [{"name": "k", "state": {"waiting": {"reason": "ContainerCreating"}}, "ready": False}]
    stages: Iterable[dict[str, Any]] = (
        {"children": [_deployment(Available="False", Progressing="True")]},
        {"children": [_deployment()], "pods": [pod(ready=False, agent=False, phase="Pending")]},
        {"pods": [pod(ready=False, agent=False, containerStatuses=creating)]},
    )
    for stage in stages:
        assert decide(observe(isvc(status=first), **stage), settings, now).statuses == ()


def test_a_pods_trouble_is_the_reason_and_goes_with_it(
    isvc: Build, pod: Build, observe: Observe, settings: Settings, now: datetime, condition: Find
) -> None:
    pull = {"name": "k", "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}, "ready": False}
    broken = _status(
        observe(isvc(), pods=[pod("p", ready=False, agent=False, containerStatuses=[pull])]), settings, now
    )
    assert condition(broken, "Ready")["reason"] == "ImagePullBackOff"
    assert condition(broken, "Ready")["message"].startswith("Pod p, container k: not found. Check the image's name")
    assert broken["modelStatus"]["transitionStatus"] == "BlockedByFailedLoad"
    assert broken["modelStatus"]["lastFailureInfo"] == {
        "location": "p",
        "reason": "RuntimeUnhealthy",
        "message": condition(broken, "Ready")["message"],
        "modelRevisionName": "svc-predictor-1",
        "time": "2026-11-21T12:00:00Z",
    }
    healed = _status(observe(isvc(status=broken), pods=[pod("p", agent=False)]), settings, now)
    assert _ready(healed) == "True"
    assert "lastFailureInfo" not in healed["modelStatus"]


def test_old_pods_stay_ready_while_a_new_revision_fails(
    isvc: Build, pod: Build, observe: Observe, settings: Settings, now: datetime, condition: Find
) -> None:
    crash = {"name": "k", "restartCount": 5, "lastState": {"terminated": {"exitCode": 1}}}
    new = pod("new", ready=False, agent=False, revision="r2", containerStatuses=[crash])
    pods = [pod("old", agent=False, revision="r1"), new]
    status = _status(observe(isvc(), children=[_deployment(Available="True")], pods=pods), settings, now)
    predictor = condition(status, "PredictorReady")
    assert (_ready(status), predictor["reason"]) == ("True", "CrashLoopBackOff")
    assert "Pod new" in predictor["message"]
    assert status["modelStatus"]["transitionStatus"] == "BlockedByFailedLoad"
    assert status["modelStatus"]["states"] == {"activeModelState": "Loaded", "targetModelState": "FailedToLoad"}
    assert status["components"]["predictor"]["latestReadyRevision"] == "r1"


@pytest.mark.parametrize(
    ("foreign", "unhappy", "left_out"),
    [
        (("Deployment", "svc-predictor"), "PredictorReady", "Deployment"),
        (("Service", "svc-predictor"), "PredictorReady", None),
        (("ConfigMap", "modelconfig-svc-0"), "PredictorReady", "ConfigMap"),
        (("HorizontalPodAutoscaler", "svc-predictor"), "PredictorReady", "HorizontalPodAutoscaler"),
        (("Service", "svc"), "IngressReady", None),
        (("Ingress", "svc"), "IngressReady", "Ingress"),
    ],
)
def test_an_object_of_somebody_else_is_left_alone_and_named(
    isvc: Build,
    tm: Build,
    pod: Build,
    observe: Observe,
    settings: Settings,
    now: datetime,
    condition: Find,
    foreign: tuple[str, str],
    unhappy: str,
    left_out: str | None,
) -> None:
    body = isvc({"containers": [{"image": "a"}], "maxReplicas": 2})
    observed = observe(body, [tm("m")], pods=[pod()], foreign=frozenset({foreign}))
    status = _status(observed, settings, now)
    assert (_ready(status), condition(status, unhappy)["reason"]) == ("False", "NameConflict")
    assert " ".join(foreign) in condition(status, unhappy)["message"]
    applied = {(made["kind"], made["metadata"]["name"]) for made in decide(observed, settings, now).apply}
    assert foreign not in applied
    assert left_out is None or left_out not in {kind for kind, _ in applied}


def test_names_that_are_not_needed_may_be_taken(isvc: Build, pod: Build, observe: Observe, now: datetime) -> None:
    taken = frozenset(
        {("HorizontalPodAutoscaler", "svc-predictor"), ("ConfigMap", "modelconfig-svc-0"), ("Ingress", "svc")}
    )
    settings = Settings.parse({"ingress": {"enabled": False}})
    status = _status(observe(isvc(), pods=[pod(agent=False)], foreign=taken), settings, now)
    assert _ready(status) == "True"
    assert status["url"] == "http://svc-predictor.ns.svc.cluster.local"


def test_a_missing_claim_and_a_missing_secret_are_named(
    isvc: Build,
    pod: Build,
    observe: Observe,
    settings: Settings,
    now: datetime,
    condition: Find,
    runtime: Callable[..., Runtime],
) -> None:
    body = isvc({"pytorch": {"storageUri": "pvc://files/m"}})
    known: dict[str, Any] = {
        "runtimes": [runtime("r", [{"name": "pytorch"}])],
        "missing_claims": frozenset({"files"}),
        "credentials": Credentials(missing=("s3-secret",)),
    }
    predictor = condition(_status(observe(body, **known), settings, now), "PredictorReady")
    assert predictor["reason"] == "StorageNotFound"
    assert "no PersistentVolumeClaim 'files' in namespace ns" in predictor["message"]
    assert "no Secret 's3-secret' in namespace ns" in predictor["message"]
    plain = _status(observe(isvc(), credentials=Credentials(missing=("s3-secret",))), settings, now)
    assert condition(plain, "PredictorReady")["message"].startswith(
        "Waiting for the pods to become ready. There is no Secret"
    )
    serving = _status(observe(isvc(), pods=[pod(agent=False)], credentials=Credentials(missing=("s",))), settings, now)
    assert condition(serving, "PredictorReady")["message"].startswith("There is no Secret 's'")


@pytest.mark.parametrize(
    ("cluster", "field"), [(True, "clusterServingRuntimeName"), (False, "servingRuntimeName")], ids=["cluster", "local"]
)
def test_the_chosen_runtime_is_recorded(
    isvc: Build,
    observe: Observe,
    settings: Settings,
    now: datetime,
    runtime: Callable[..., Runtime],
    cluster: bool,
    field: str,
) -> None:
    body = isvc({"pytorch": {"storageUri": "s3://b/m"}})
    secret = SecretKeys("s", frozenset())
    observed = observe(
        body, runtimes=[runtime("r", [{"name": "pytorch"}], cluster=cluster)], credentials=Credentials((secret,))
    )
    assert _status(observed, settings, now)[field] == "r"


def test_a_cluster_local_service_has_no_route(isvc: Build, observe: Observe, settings: Settings, now: datetime) -> None:
    body = isvc(labels={"networking.kserve.io/visibility": "cluster-local"})
    plan = decide(observe(body), settings, now)
    assert "Ingress" not in {made["kind"] for made in plan.apply}
    assert _ready(_status(observe(body), settings, now), "IngressReady") == "True"
