"""Invariants of the pure core, over generated worlds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mooring_api.agent_status import AgentModel, AgentStatus, ModelError, ModelState
from mooring_api.model_config import download_id
from mooring_api.v1alpha1 import ModelSpec, ServingRuntimeSpec, TrainedModel
from mooring_api.v1beta1 import InferenceService
from mooring_operator.core.decide import decide
from mooring_operator.core.observed import (
    AgentReport,
    Credentials,
    Key,
    Manifest,
    Nudge,
    Observed,
    Parsed,
    Runtime,
    SecretKeys,
)
from mooring_operator.core.plan import Plan
from mooring_operator.settings import Settings
from mooring_operator.store import meta_of, parse

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SETTINGS = Settings.parse({"s3": {"region": "r"}, "env": {"B": "2", "A": "1"}})
PREDICTORS: tuple[Manifest, ...] = (
    {"containers": [{"image": "a", "resources": {"limits": {"memory": "1Gi"}}}]},
    {"containers": [{"image": "a"}], "maxReplicas": 3},
    {"containers": [{"image": "a", "env": [{"name": "MULTI_MODEL_SERVER", "value": "true"}]}], "minReplicas": 0},
    {"pytorch": {"storageUri": "s3://b/m"}},
    {"pytorch": {}},
    {"pytorch": {"storageUri": "ftp://b/m"}},
    {"model": {}},
    {},
)
ANNOTATIONS: tuple[dict[str, str], ...] = (
    {},
    {"serving.kserve.io/stop": "true"},
    {"serving.kserve.io/deploymentMode": "Serverless"},
)


def _service(predictor: Manifest, annotations: dict[str, str]) -> Parsed[InferenceService]:
    metadata = {"name": "svc", "namespace": "ns", "uid": "u", "generation": 3, "annotations": annotations}
    return parse(InferenceService, {"metadata": metadata, "spec": {"predictor": predictor}})


@st.composite
def _models(draw: st.DrawFn) -> tuple[Parsed[TrainedModel], ...]:
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "d.e"]), unique=True))
    uris = st.sampled_from(["s3://b/m", "pvc://files/m", "pvc://gone/m", "ftp://x/y"])
    return tuple(
        parse(
            TrainedModel,
            {
                "metadata": {"name": name, "namespace": "ns", "uid": f"u-{name}"},
                "spec": {
                    "inferenceService": "svc",
                    "model": {"storageUri": draw(uris), "framework": "x", "memory": "600Mi"},
                },
            },
        )
        for name in names
    )


def _pod(name: str, *, ready: bool, agent: bool, stuck: bool) -> Manifest:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "full"}
    conditions: list[Manifest] = [{"type": "Ready", "status": str(ready)}, *([scheduled] if stuck else [])]
    containers = [{"name": "kserve-container"}, *([{"name": "agent"}] if agent else [])]
    owners = [{"kind": "ReplicaSet", "name": f"rs-{int(agent)}"}]
    return {
        "metadata": {"name": name, "namespace": "ns", "uid": f"u-{name}", "ownerReferences": owners},
        "spec": {"containers": containers},
        "status": {"phase": "Pending" if stuck else "Running", "conditions": conditions},
    }


@st.composite
def _reports(draw: st.DrawFn) -> AgentReport:
    if draw(st.booleans()):
        return AgentReport(None, draw(st.sampled_from([None, "refused"])))
    wanted = download_id(ModelSpec(storage_uri="s3://b/m", framework="x", memory="1"))
    told = AgentModel(
        name="a",
        state=draw(st.sampled_from(ModelState)),
        storage_uri="s3://b/m",
        wanted_id=draw(st.sampled_from([wanted, "other"])),
        loaded_id=draw(st.sampled_from([wanted, "other", None])),
        last_error=draw(st.sampled_from([None, ModelError(reason="AccessDenied", message="no", time="t")])),
    )
    digest = draw(st.sampled_from([None, "0" * 64]))
    return AgentReport(AgentStatus(revision=1, instance="i", config_digest=digest, models=(told,)))


@st.composite
def worlds(draw: st.DrawFn) -> Observed:
    flags: Any = st.booleans()
    pods = tuple(
        _pod(f"p{index}", ready=draw(flags), agent=draw(flags), stuck=draw(flags))
        for index in range(draw(st.integers(0, 3)))
    )
    runtimes = tuple(
        Runtime(
            meta_of({"metadata": {"name": name, "namespace": "ns"}}),
            ServingRuntimeSpec.model_validate(
                {
                    "supportedModelFormats": [{"name": "pytorch", "autoSelect": True}],
                    "containers": [{"name": "kserve-container", "image": name}],
                    "multiModel": name == "many",
                }
            ),
            name == "cluster",
        )
        for name in draw(st.lists(st.sampled_from(["one", "two", "many", "cluster"]), unique=True))
    )
    secrets = (SecretKeys("s3", frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"})),)
    service = _service(draw(st.sampled_from(PREDICTORS)), draw(st.sampled_from(ANNOTATIONS)))
    return Observed(
        key=Key("ns", "svc"),
        service=draw(st.sampled_from([service, None])),
        trained_models=draw(_models()),
        runtimes=runtimes,
        pods=pods,
        agents={pod["metadata"]["uid"]: draw(_reports()) for pod in pods},
        credentials=draw(st.sampled_from([Credentials(), Credentials(secrets, ("gone",))])),
        missing_claims=frozenset({"gone"}),
        foreign=draw(st.sampled_from([frozenset(), frozenset({("Service", "svc")})])),
    )


def _after(observed: Observed, plan: Plan) -> Observed:
    """The world in which the plan has been carried out, and nothing else happened."""
    told = {(write.ref.kind, write.ref.name): write.status for write in plan.statuses}
    service = observed.service
    if service:
        service = replace(service, status=told.get(("InferenceService", "svc"), service.status))
    models = tuple(
        replace(model, status=told.get(("TrainedModel", model.meta.name), model.status))
        for model in observed.trained_models
    )
    gone = {(ref.kind, ref.name) for ref in plan.delete}
    live = {key: child for key, child in observed.children.items() if key not in gone}
    live |= {(made["kind"], made["metadata"]["name"]): made for made in plan.apply}
    nudged: dict[str, Nudge] = {**observed.nudges, **{nudge.uid: nudge.record for nudge in plan.nudge}}
    return replace(observed, service=service, trained_models=models, children=live, nudges=nudged)


@given(worlds())
def test_a_plan_that_was_carried_out_leaves_nothing_to_tell(observed: Observed) -> None:
    settled = _after(observed, decide(observed, SETTINGS, NOW))
    settled = _after(settled, decide(settled, SETTINGS, NOW))  # the agent of a live Deployment is seen a run later
    plan = decide(settled, SETTINGS, NOW + timedelta(seconds=0.1))
    assert (plan.statuses, plan.events, plan.delete, plan.nudge) == ((), (), (), ())
    assert {(m["kind"], m["metadata"]["name"]): m for m in plan.apply}.items() <= settled.children.items()


@given(worlds(), st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_what_has_no_order(observed: Observed, random: Any) -> None:
    runtimes = list(observed.runtimes)
    agents, pods_order = list(observed.agents.items()), dict(observed.children)
    random.shuffle(runtimes)
    random.shuffle(agents)
    shuffled = replace(observed, runtimes=tuple(runtimes), agents=dict(agents), children=pods_order)
    assert decide(shuffled, SETTINGS, NOW) == decide(observed, SETTINGS, NOW)


@given(worlds())
def test_the_model_list_does_not_depend_on_the_order_of_models_that_all_fit(observed: Observed) -> None:
    roomy = _service({"containers": [{"image": "a"}]}, {})
    one = decide(replace(observed, service=roomy), SETTINGS, NOW).apply
    turned = decide(replace(observed, service=roomy, trained_models=observed.trained_models[::-1]), SETTINGS, NOW).apply
    assert one == turned


@given(worlds())
def test_every_condition_has_a_reason_when_it_is_not_true_and_ready_is_among_them(observed: Observed) -> None:
    for write in decide(observed, SETTINGS, NOW).statuses:
        listed = write.status["conditions"]
        assert [entry["type"] for entry in listed] == sorted(entry["type"] for entry in listed)
        assert "Ready" in {entry["type"] for entry in listed}
        for entry in listed:
            assert entry["status"] == "True" or (entry.get("reason") and entry.get("message"))
