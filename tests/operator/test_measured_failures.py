"""What went wrong with KServe on our node (numbers of `kserve-measured` in the names), as far as the core decides."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from mooring_api.model_config import download_id
from mooring_api.v1alpha1 import ModelSpec
from mooring_operator.core.decide import decide
from mooring_operator.core.observed import AgentReport, Manifest, Observed
from mooring_operator.core.plan import Plan
from mooring_operator.settings import Settings

Build = Callable[..., Manifest]
Observe = Callable[..., Observed]
Find = Callable[..., Manifest]
Report = Callable[..., AgentReport]
WANTED = download_id(ModelSpec(storage_uri="s3://models/m", framework="pytorch", memory="256Mi"))
LOADED = {"state": "Loaded", "wanted_id": WANTED, "loaded_id": WANTED}


def _status(plan: Plan, name: str) -> Manifest:
    return next(dict(write.status) for write in plan.statuses if write.ref.name == name)


@pytest.mark.parametrize("count", [101, 500])
def test_1_hundreds_of_models_are_in_the_list_at_once(
    isvc: Build, tm: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find, count: int
) -> None:
    models = [tm(f"m{index}", memory="1Mi") for index in range(count)]
    plan = decide(observe(isvc(), models), settings, now)
    assert len(json.loads(child_of(plan, "ConfigMap")["data"]["models.json"])) == count
    assert len(plan.statuses) == count + 1


def test_3_models_of_a_restarted_server_are_not_ready_until_they_are_back(
    isvc: Build,
    tm: Build,
    pod: Build,
    observe: Observe,
    report: Report,
    settings: Settings,
    now: datetime,
    condition: Find,
) -> None:
    world = observe(isvc(), [tm("m")], pods=[pod("p")], agents={"uid-p": report(m=LOADED)})
    ready = _status(decide(world, settings, now), "m")
    lost = report(m={"state": "Loading", "wanted_id": WANTED})
    after = observe(isvc(), [tm("m", status=ready)], pods=[pod("p")], agents={"uid-p": lost})
    again = _status(decide(after, settings, now), "m")
    assert [condition(status, "Ready")["status"] for status in (ready, again)] == ["True", "False"]


def test_6_touching_a_model_changes_nothing_in_the_list(
    isvc: Build, tm: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find
) -> None:
    touched = tm("m", generation=2)
    touched["metadata"]["labels"] = {"touched": "yes"}
    before = child_of(decide(observe(isvc(), [tm("m"), tm("n")]), settings, now), "ConfigMap")
    assert child_of(decide(observe(isvc(), [tm("n"), touched]), settings, now), "ConfigMap") == before


def test_8_a_rollout_restart_is_not_ours_to_undo(
    isvc: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find
) -> None:
    wanted = child_of(decide(observe(isvc()), settings, now), "Deployment")
    live = json.loads(json.dumps(wanted))
    live["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}
    again = child_of(decide(observe(isvc(), children=[live]), settings, now), "Deployment")
    assert again == wanted
    assert "annotations" not in again["spec"]["template"]["metadata"]


def test_9_a_model_is_in_the_list_before_its_service_is_ready(
    isvc: Build, tm: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find
) -> None:
    early = decide(observe(None, [tm("m")]), settings, now)
    model = tm("m", status=_status(early, "m"))
    plan = decide(observe(isvc(), [model]), settings, now)
    assert "s3://models/m" in child_of(plan, "ConfigMap")["data"]["models.json"]
    assert plan.requeue_after_s is None


def test_10_zero_replicas_are_not_ready(
    isvc: Build, observe: Observe, settings: Settings, now: datetime, condition: Find
) -> None:
    status = _status(decide(observe(isvc({"containers": [{"image": "a"}], "minReplicas": 0})), settings, now), "svc")
    assert condition(status, "Ready")["status"] == "False"


@pytest.mark.parametrize(
    ("replicas", "made"),
    [({}, False), ({"minReplicas": 2, "maxReplicas": 2}, False), ({"maxReplicas": 2}, True)],
    ids=["default", "equal", "more"],
)
def test_11_an_autoscaler_is_made_only_when_it_can_scale(
    isvc: Build, observe: Observe, settings: Settings, now: datetime, replicas: Manifest, made: bool
) -> None:
    plan = decide(observe(isvc({"containers": [{"image": "a"}], **replicas})), settings, now)
    assert ("HorizontalPodAutoscaler" in {child["kind"] for child in plan.apply}) is made


def test_12_a_missing_object_is_told_once_and_heals_when_it_is_uploaded(
    isvc: Build,
    tm: Build,
    pod: Build,
    observe: Observe,
    report: Report,
    failure: Build,
    settings: Settings,
    now: datetime,
    condition: Find,
) -> None:
    missing = failure(WANTED, "ObjectNotFound", next_retry="2026-11-21T12:00:02Z")
    world = observe(isvc(), [tm("m")], pods=[pod("p")], agents={"uid-p": report(m=missing)})
    broken = decide(world, settings, now)
    assert condition(_status(broken, "m"), "Ready")["reason"] == "ObjectNotFound"
    assert [event.reason for event in broken.events if event.ref.name == "m"] == ["ObjectNotFound"]
    seen = observe(isvc(), [tm("m", status=_status(broken, "m"))], pods=[pod("p")])
    later = report(m={**missing, "attempts": 2, "next_retry": "2026-11-21T12:00:06Z"})
    again = decide(replace(seen, agents={"uid-p": later}), settings, now)
    assert [event for event in again.events if event.ref.name == "m"] == []
    healed = decide(replace(seen, agents={"uid-p": report(m=LOADED)}), settings, now)
    assert [event.reason for event in healed.events if event.ref.name == "m"] == ["TrainedModelReady"]


def test_13_readiness_is_asked_every_second(
    isvc: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find
) -> None:
    spec = child_of(decide(observe(isvc()), settings, now), "Deployment")["spec"]["template"]["spec"]
    assert spec["containers"][0]["readinessProbe"]["periodSeconds"] == 1
