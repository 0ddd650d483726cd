import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from mooring_api.model_config import digest, download_id
from mooring_api.v1alpha1 import ModelSpec
from mooring_operator.core.decide import decide
from mooring_operator.core.observed import AgentReport, Manifest, Observed, Runtime
from mooring_operator.core.plan import Plan, Ref
from mooring_operator.settings import Settings

Build = Callable[..., Manifest]
Observe = Callable[..., Observed]
Find = Callable[..., Manifest]
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}


def _kinds(plan: Plan) -> list[tuple[str, str]]:
    return [(made["kind"], made["metadata"]["name"]) for made in plan.apply]


def _status_of(plan: Plan, name: str) -> Manifest:
    return next(dict(write.status) for write in plan.statuses if write.ref.name == name)


def _models(plan: Plan, child_of: Find) -> list[str]:
    listed = json.loads(child_of(plan, "ConfigMap")["data"]["models.json"])
    return [entry["modelName"] for entry in listed]


def test_a_plain_service_gets_a_deployment_two_services_and_an_ingress(
    isvc: Build, observe: Observe, settings: Settings, now: datetime
) -> None:
    plan = decide(observe(isvc()), settings, now)
    assert _kinds(plan) == [
        ("Service", "svc-predictor"),
        ("Service", "svc"),
        ("Deployment", "svc-predictor"),
        ("Ingress", "svc"),
    ]
    assert not plan.wants_agents
    assert plan.events == ()
    assert plan.requeue_after_s is None


def test_the_first_trained_model_brings_agent_and_list_to_a_plain_service(
    isvc: Build, tm: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find
) -> None:
    plan = decide(observe(isvc(), [tm("b"), tm("a")]), settings, now)
    assert _kinds(plan)[0] == ("ConfigMap", "modelconfig-svc-0")
    assert _models(plan, child_of) == ["a", "b"]
    pod = child_of(plan, "Deployment")["spec"]["template"]["spec"]
    assert [container["name"] for container in pod["containers"]] == ["kserve-container", "agent"]
    assert plan.wants_agents


def test_the_agent_stays_when_the_last_model_goes(
    isvc: Build, tm: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find
) -> None:
    before = decide(observe(isvc(), [tm("m")]), settings, now)
    after = decide(observe(isvc(), children=before.apply), settings, now)
    assert _models(after, child_of) == []
    assert child_of(after, "Deployment") == child_of(before, "Deployment")


@pytest.mark.parametrize("value", ["true", "True"])
def test_the_kserve_env_makes_a_service_multi_model_at_once(
    isvc: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find, value: str
) -> None:
    env = [{"name": "MULTI_MODEL_SERVER", "value": value}]
    plan = decide(observe(isvc({"containers": [{"image": "a", "env": env}]})), settings, now)
    assert _models(plan, child_of) == []


def test_a_multi_model_runtime_makes_a_service_multi_model_at_once(
    isvc: Build, observe: Observe, settings: Settings, now: datetime, runtime: Callable[..., Runtime]
) -> None:
    many = runtime("many", [{"name": "pytorch"}], multiModel=True)
    plan = decide(observe(isvc({"pytorch": {}}), runtimes=[many]), settings, now)
    assert plan.wants_agents


def test_a_model_that_goes_is_left_out_before_it_is_gone(
    isvc: Build, tm: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find
) -> None:
    leaving = tm("leaving")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    assert _models(decide(observe(isvc(), [tm("m"), leaving]), settings, now), child_of) == ["m"]


def test_a_rejected_model_is_left_out_and_comes_back_when_there_is_room(
    isvc: Build, tm: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find, condition: Find
) -> None:
    big, late = tm("big", memory="2Gi"), tm("late")
    full = decide(observe(isvc(), [big, late]), settings, now)
    assert _models(full, child_of) == ["big"]
    assert condition(_status_of(full, "late"), "MemoryResourceAvailable")["reason"] == "MemoryResourceNotAvailable"
    assert [(event.ref.name, event.reason) for event in full.events] == [("late", "MemoryResourceNotAvailable")]
    assert _models(decide(observe(isvc(), [late]), settings, now), child_of) == ["late"]


def test_a_model_of_a_single_model_service_says_so(
    isvc: Build,
    tm: Build,
    observe: Observe,
    settings: Settings,
    now: datetime,
    condition: Find,
    runtime: Callable[..., Runtime],
) -> None:
    body = isvc({"pytorch": {"storageUri": "s3://b/m"}})
    plan = decide(observe(body, [tm("m")], runtimes=[runtime("r", [{"name": "pytorch"}])]), settings, now)
    assert condition(_status_of(plan, "m"), "IsMMSPredictor")["status"] == "False"
    assert not plan.wants_agents
    assert "ConfigMap" not in {kind for kind, _ in _kinds(plan)}


def test_a_claim_stays_mounted_when_its_models_go_and_leaves_when_it_is_deleted(
    isvc: Build, tm: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find
) -> None:
    live = child_of(decide(observe(isvc(), [tm("a", storageUri="pvc://files/a")]), settings, now), "Deployment")
    moved = observe(isvc(), [tm("a", storageUri="s3://b/a")], children=[live])
    assert child_of(decide(moved, settings, now), "Deployment")["spec"]["template"] == live["spec"]["template"]
    gone = replace(moved, missing_claims=frozenset({"files"}))
    volumes = child_of(decide(gone, settings, now), "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert not [volume for volume in volumes if "persistentVolumeClaim" in volume]


@pytest.mark.parametrize(
    ("ports", "component_port"),
    [
        pytest.param([], "8080", id="no port"),
        pytest.param([{"name": "h2c", "containerPort": 8081}], "8080", id="gRPC alone"),
        pytest.param([{"name": "grpc", "containerPort": 9000}, {"containerPort": 9001}], "9001", id="gRPC first"),
        pytest.param([{"name": "http1", "containerPort": 5000}], "5000", id="HTTP"),
    ],
)
def test_the_agent_loads_models_at_the_http_port(
    isvc: Build,
    tm: Build,
    observe: Observe,
    settings: Settings,
    now: datetime,
    child_of: Find,
    ports: list[dict[str, Any]],
    component_port: str,
) -> None:
    predictor = {"containers": [{"name": "kserve-container", "image": "mine:1", "ports": ports}]}
    plan = decide(observe(isvc(predictor), [tm("a")]), settings, now)
    containers = child_of(plan, "Deployment")["spec"]["template"]["spec"]["containers"]
    arguments = next(c["args"] for c in containers if c["name"] == "agent")
    assert arguments[arguments.index("--component-port") + 1] == component_port


def test_claims_are_mounted_once_each_and_a_missing_one_is_not(
    isvc: Build, tm: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find, condition: Find
) -> None:
    long = "a.very-long." + "x" * 60
    models = [
        tm("a", storageUri="pvc://files/a"),
        tm("b", storageUri="pvc://files/b"),
        tm("c", storageUri="pvc://gone/c"),
        tm("d", storageUri=f"pvc://{long}/d"),
    ]
    plan = decide(observe(isvc(), models, missing_claims=frozenset({"gone"})), settings, now)
    spec = child_of(plan, "Deployment")["spec"]["template"]["spec"]
    for container in spec["containers"]:
        mounts = [mount for mount in container["volumeMounts"] if mount["mountPath"].startswith("/mnt/pvc/")]
        assert [mount["mountPath"] for mount in mounts] == [f"/mnt/pvc/{long}", "/mnt/pvc/files"]
        assert all(mount["readOnly"] for mount in mounts)
    assert all(len(volume["name"]) <= 63 and "." not in volume["name"] for volume in spec["volumes"])
    rejected = condition(_status_of(plan, "c"), "ModelLoaded")
    assert rejected["reason"] == "StorageNotFound"
    assert "'gone' in namespace ns" in rejected["message"]


def test_models_that_name_no_service_wait(tm: Build, observe: Observe, settings: Settings, now: datetime) -> None:
    plan = decide(observe(None, [tm("m")]), settings, now)
    assert _status_of(plan, "m")["modelState"] == "Rejected"
    assert {entry.get("reason") for entry in _status_of(plan, "m")["conditions"]} == {"InferenceServiceNotFound"}
    assert (plan.apply, plan.delete, plan.adopt, plan.events) == ((), (), (), ())


def test_a_service_on_its_way_out_is_left_to_the_garbage_collector(
    isvc: Build, tm: Build, observe: Observe, settings: Settings, now: datetime
) -> None:
    body = isvc(deletionTimestamp="2026-11-21T12:00:00Z")
    assert decide(observe(body, [tm("m")]), settings, now) == Plan()


@pytest.mark.parametrize(
    ("predictor", "metadata", "reason"),
    [
        ({"pytorch": {"storageUri": "ftp://h/m"}}, {}, "InvalidStorageUri"),
        ({"pytorch": {"storageUri": "s3://b/m"}}, {}, "NoSupportingRuntime"),
        ({"model": {"modelFormat": {"name": "x"}, "runtime": "r"}}, {}, "RuntimeNotRecognized"),
        ({"model": {}}, {}, "InvalidPredictorSpec"),
        ({"containers": [{"image": "a"}], "pytorch": {}, "sklearn": {}}, {}, "InvalidPredictorSpec"),
        ({"containers": [{"image": "a", "resources": {"limits": {"memory": "much"}}}]}, {}, "InvalidPredictorSpec"),
        (None, {"annotations": {"serving.kserve.io/deploymentMode": "Knative"}}, "DeploymentModeNotSupported"),
    ],
    ids=["uri", "no-runtime", "missing-runtime", "unreadable", "both", "memory", "knative"],
)
def test_a_service_that_cannot_run_says_why_and_nothing_is_touched(
    isvc: Build,
    tm: Build,
    observe: Observe,
    settings: Settings,
    now: datetime,
    condition: Find,
    predictor: Manifest | None,
    metadata: Manifest,
    reason: str,
) -> None:
    live = decide(observe(isvc()), settings, now).apply
    plan = decide(observe(isvc(predictor, **metadata), [tm("m")], children=live), settings, now)
    status = _status_of(plan, "svc")
    assert (plan.apply, plan.delete) == ((), ())
    assert condition(status, "Ready")["status"] == "False"
    assert condition(status, "PredictorReady")["reason"] == condition(status, "Ready")["reason"] == reason
    assert status["modelStatus"]["transitionStatus"] == "InvalidSpec"
    assert status["observedGeneration"] == 1
    assert [(event.ref.kind, event.reason) for event in plan.events] == [("InferenceService", reason)]
    assert condition(_status_of(plan, "m"), "Ready")["reason"] == "InferenceServiceNotReady"
    assert [adoption.ref.name for adoption in plan.adopt] == ["m"]


def test_what_the_api_server_refuses_is_told(
    isvc: Build, observe: Observe, settings: Settings, now: datetime, condition: Find
) -> None:
    plan = decide(observe(isvc(), server_refusal="image: Required value"), settings, now)
    assert "image: Required value" in condition(_status_of(plan, "svc"), "PredictorReady")["message"]
    assert (plan.apply, [event.type for event in plan.events]) == ((), ["Warning"])


def test_the_agent_leaves_the_users_mounts_and_may_go_without_resources(
    isvc: Build, tm: Build, observe: Observe, now: datetime, child_of: Find
) -> None:
    settings = Settings.parse({"agent": {"resources": {}}})
    mount = {"name": "scratch", "mountPath": "/scratch"}
    predictor = {
        "containers": [{"image": "a", "volumeMounts": [mount]}],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    }
    pod = child_of(decide(observe(isvc(predictor), [tm("m")]), settings, now), "Deployment")["spec"]["template"]["spec"]
    main, agent = pod["containers"]
    assert main["volumeMounts"] == [mount, {"name": "model-dir", "mountPath": "/mnt/models"}]
    assert "resources" not in agent
    assert [volume["name"] for volume in pod["volumes"]] == ["model-dir", "scratch", "model-config"]


@pytest.mark.parametrize("port", [8080, 9081])
def test_the_agents_port_is_its_own(
    isvc: Build, tm: Build, observe: Observe, settings: Settings, now: datetime, condition: Find, port: int
) -> None:
    body = isvc({"containers": [{"image": "a", "ports": [{"containerPort": port}]}]})
    assert decide(observe(body), settings, now).apply
    plan = decide(observe(body, [tm("m")]), settings, now)
    assert bool(plan.apply) is (port == 8080)
    assert ("choose another port" in condition(_status_of(plan, "svc"), "Ready")["message"]) is (port == 9081)


def test_a_stopped_service_loses_its_objects_but_keeps_its_list(
    isvc: Build, tm: Build, observe: Observe, settings: Settings, now: datetime, condition: Find
) -> None:
    live = decide(observe(isvc(), [tm("m")]), settings, now).apply
    body = isvc(annotations={"serving.kserve.io/stop": "True"})
    plan = decide(observe(body, [tm("m")], children=live), settings, now)
    assert _kinds(plan) == [("ConfigMap", "modelconfig-svc-0")]
    assert {ref.kind for ref in plan.delete} == {"Deployment", "Service", "Ingress"}
    status = _status_of(plan, "svc")
    assert condition(status, "Stopped") == {
        "type": "Stopped",
        "status": "True",
        "severity": "Info",
        "lastTransitionTime": "2026-11-21T12:00:00Z",
        "reason": "Stopped",
        "message": "Annotation serving.kserve.io/stop is true, so nothing runs; remove it to start the service.",
    }
    assert [condition(status, kind)["reason"] for kind in ("PredictorReady", "IngressReady", "Ready")] == [
        "Stopped"
    ] * 3
    plain = decide(observe(body, children=decide(observe(isvc()), settings, now).apply), settings, now)
    assert plain.apply == ()
    again = decide(observe(isvc(status=status), [tm("m")]), settings, now)
    assert condition(_status_of(again, "svc"), "Stopped") == {}
    assert ("Deployment", "svc-predictor") in _kinds(again)


def test_the_stop_annotation_is_not_handed_to_the_pods(
    isvc: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find
) -> None:
    started = decide(observe(isvc(annotations={"serving.kserve.io/stop": "false"})), settings, now)
    assert child_of(started, "Deployment") == child_of(decide(observe(isvc()), settings, now), "Deployment")


def test_what_is_no_longer_wanted_is_deleted_by_uid(
    isvc: Build, observe: Observe, settings: Settings, now: datetime
) -> None:
    scaled = decide(observe(isvc({"containers": [{"image": "a"}], "maxReplicas": 3})), settings, now).apply
    live = [{**made, "metadata": {**made["metadata"], "uid": f"uid-{made['kind']}"}} for made in scaled]
    plan = decide(observe(isvc({"containers": [{"image": "a"}]}), children=live), settings, now)
    assert plan.delete == (
        Ref("autoscaling/v2", "HorizontalPodAutoscaler", "ns", "svc-predictor", "uid-HorizontalPodAutoscaler"),
    )


def test_models_are_adopted_once(isvc: Build, tm: Build, observe: Observe, settings: Settings, now: datetime) -> None:
    bare, mine = tm("bare"), tm("mine")
    mine["metadata"] |= {"labels": {"inferenceservice": "svc"}, "ownerReferences": [{"uid": "uid-svc"}]}
    unlabelled = tm("unlabelled")
    unlabelled["metadata"] |= {"ownerReferences": [{"uid": "uid-svc"}]}
    plan = decide(observe(isvc(), [bare, mine, unlabelled]), settings, now)
    assert [adoption.ref.name for adoption in plan.adopt] == ["bare", "unlabelled"]
    assert plan.adopt[0].labels == {"inferenceservice": "svc"}
    assert plan.adopt[0].owner["uid"] == "uid-svc"
    assert plan.adopt[0].owner["kind"] == "InferenceService"


@pytest.mark.parametrize(
    ("predictor", "annotations", "live", "expected"),
    [
        ({"maxReplicas": 5, "minReplicas": 2}, {}, None, 2),
        ({"maxReplicas": 5, "minReplicas": 2}, {}, 4, 4),
        ({"minReplicas": 2}, {}, 4, 2),
        ({}, {}, None, 1),
        ({"minReplicas": 2}, {"serving.kserve.io/autoscalerClass": "external"}, 7, 7),
        ({"minReplicas": 2, "maxReplicas": 5}, {"serving.kserve.io/autoscalerClass": "none"}, 7, 2),
    ],
    ids=["hpa-first", "hpa-decided", "fixed", "default", "external", "none"],
)
def test_replicas_are_what_the_spec_says_or_what_the_autoscaler_has_decided(
    isvc: Build,
    observe: Observe,
    settings: Settings,
    now: datetime,
    child_of: Find,
    predictor: Manifest,
    annotations: dict[str, str],
    live: int | None,
    expected: int,
) -> None:
    body = isvc({"containers": [{"image": "a"}], **predictor}, annotations=annotations)
    deployment = {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": "svc-predictor", "namespace": "ns"},
    }
    children = [{**deployment, "spec": {"replicas": live}}] if live else []
    assert (
        child_of(decide(observe(body, children=children), settings, now), "Deployment")["spec"]["replicas"] == expected
    )


@pytest.mark.parametrize(
    ("scaling", "metric"),
    [
        ({}, {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}),
        (
            {"scaleMetric": "memory", "scaleMetricType": "AverageValue", "scaleTarget": 1000},
            {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1k"}},
        ),
        (
            {
                "autoScaling": {
                    "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"value": "1000m"}}}]
                }
            },
            {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "1"}},
        ),
        (
            {
                "autoScaling": {
                    "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 70}}}]
                }
            },
            {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
        ),
    ],
    ids=["default", "scale-metric", "value", "utilization"],
)
def test_the_autoscaler_measures_what_is_asked_for(
    isvc: Build,
    observe: Observe,
    settings: Settings,
    now: datetime,
    child_of: Find,
    scaling: Manifest,
    metric: Manifest,
) -> None:
    body = isvc({"containers": [{"image": "a"}], "maxReplicas": 2, **scaling})
    spec = child_of(decide(observe(body), settings, now), "HorizontalPodAutoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 2)
    assert spec["metrics"] == [{"type": "Resource", "resource": metric}]


def _strategy(plan: Plan, child_of: Find) -> Any:
    return child_of(plan, "Deployment")["spec"]["strategy"]["rollingUpdate"]


def test_an_agent_that_finds_no_room_beside_the_old_pod_takes_its_place(
    isvc: Build, tm: Build, pod: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find
) -> None:
    old, new = pod("old", agent=False), pod("new", ready=False, phase="Pending", conditions=[UNSCHEDULABLE])
    surge = decide(observe(isvc(), [tm("m")], pods=[old]), settings, now)
    assert _strategy(surge, child_of) == {"maxSurge": "25%", "maxUnavailable": 0}
    stuck = decide(observe(isvc(), [tm("m")], pods=[old, new], children=surge.apply), settings, now)
    assert _strategy(stuck, child_of) == {"maxSurge": 0, "maxUnavailable": 1}
    assert [event.reason for event in stuck.events if event.type == "Warning"] == ["ReplacingInPlace"]
    rolling = decide(observe(isvc(), [tm("m")], pods=[old], children=stuck.apply), settings, now)
    assert _strategy(rolling, child_of) == {"maxSurge": 0, "maxUnavailable": 1}
    assert [event for event in rolling.events if event.type == "Warning"] == []
    done = decide(observe(isvc(), [tm("m")], pods=[pod("new")], children=stuck.apply), settings, now)
    assert _strategy(done, child_of) == {"maxSurge": "25%", "maxUnavailable": 0}


def test_a_claim_that_finds_no_room_does_too_but_a_users_own_rollout_does_not(
    isvc: Build, tm: Build, pod: Build, observe: Observe, settings: Settings, now: datetime, child_of: Find
) -> None:
    stuck = pod("new", ready=False, conditions=[UNSCHEDULABLE], claims=["files"])
    models = [tm("m", storageUri="pvc://files/m")]
    claim = decide(observe(isvc(), models, pods=[pod("old"), stuck]), settings, now)
    own = decide(observe(isvc(), models, pods=[pod("old", claims=["files"]), stuck]), settings, now)
    assert _strategy(claim, child_of)["maxSurge"] == 0
    assert _strategy(own, child_of)["maxSurge"] == "25%"


def test_a_model_goes_from_apply_to_ready_with_few_writes_and_one_event(
    isvc: Build,
    tm: Build,
    pod: Build,
    observe: Observe,
    report: Callable[..., AgentReport],
    settings: Settings,
    now: datetime,
    child_of: Find,
    condition: Find,
) -> None:
    first = decide(observe(isvc(), [tm("m")]), settings, now)
    newest = digest(child_of(first, "ConfigMap")["data"]["models.json"])
    wanted = download_id(ModelSpec(storage_uri="s3://models/m", framework="pytorch", memory="256Mi"))
    loaded = report(newest, m={"state": "Loaded", "wanted_id": wanted, "loaded_id": wanted})
    world = observe(
        isvc(status=_status_of(first, "svc")),
        [tm("m", status=_status_of(first, "m"))],
        pods=[pod("p")],
        children=first.apply,
    )
    behind = decide(replace(world, agents={"uid-p": report("0" * 64)}), settings, now)
    assert [nudge.pod for nudge in behind.nudge] == ["p"]
    assert behind.requeue_after_s == pytest.approx(0.3)
    done = decide(replace(world, agents={"uid-p": loaded}), settings, now)
    assert condition(_status_of(done, "m"), "Ready")["status"] == "True"
    assert [(event.ref.kind, event.reason) for event in done.events] == [
        ("InferenceService", "InferenceServiceReady"),
        ("TrainedModel", "TrainedModelReady"),
    ]
    assert (done.nudge, done.requeue_after_s) == ((), None)
