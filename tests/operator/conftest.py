"""Builders of what the pure core sees, through the same parsing that the store does."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from mooring_api.agent_status import AgentModel, AgentStatus, ModelError, ModelState
from mooring_api.v1alpha1 import ServingRuntimeSpec, TrainedModel
from mooring_api.v1beta1 import InferenceService
from mooring_operator.core.observed import AgentReport, Key, Manifest, Observed, Runtime
from mooring_operator.core.plan import Plan
from mooring_operator.settings import Settings
from mooring_operator.store import meta_of, parse

NAMESPACE = "ns"
CUSTOM: Manifest = {
    "containers": [
        {"name": "kserve-container", "image": "server:1", "resources": {"limits": {"cpu": "1", "memory": "2Gi"}}}
    ]
}


def _metadata(name: str, uid: str, given: Manifest) -> Manifest:
    return {"name": name, "namespace": NAMESPACE, "uid": uid, "generation": 1, **given}


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def isvc() -> Callable[..., Manifest]:
    """An InferenceService `svc`; by default one custom container without storage."""

    def build(predictor: Manifest | None = None, status: Manifest | None = None, **metadata: Any) -> Manifest:
        spec = {"predictor": CUSTOM if predictor is None else predictor}
        name = metadata.pop("name", "svc")
        body = {"kind": "InferenceService", "metadata": _metadata(name, "uid-svc", metadata), "spec": spec}
        return body | ({"status": status} if status else {})

    return build


@pytest.fixture
def tm() -> Callable[..., Manifest]:
    """A TrainedModel of `svc`."""

    def build(
        name: str, status: Manifest | None = None, created: str = "", generation: int = 1, **model: Any
    ) -> Manifest:
        spec = {
            "inferenceService": "svc",
            "model": {"storageUri": f"s3://models/{name}", "framework": "pytorch", "memory": "256Mi"} | model,
        }
        metadata = _metadata(name, f"uid-{name}", {"creationTimestamp": created, "generation": generation})
        return {"kind": "TrainedModel", "metadata": metadata, "spec": spec} | ({"status": status} if status else {})

    return build


@pytest.fixture
def runtime() -> Callable[..., Runtime]:
    """A ServingRuntime; `cluster=True` for a ClusterServingRuntime."""

    def build(name: str, formats: Iterable[Manifest] = (), *, cluster: bool = False, **spec: Any) -> Runtime:
        metadata = spec.pop("metadata", {})
        body = {
            "supportedModelFormats": [{"autoSelect": True} | entry for entry in formats],
            "containers": [{"name": "kserve-container", "image": f"{name}:1"}],
        } | spec
        meta = meta_of({"metadata": _metadata(name, f"uid-{name}", metadata)})
        return Runtime(meta, ServingRuntimeSpec.model_validate(body), cluster)

    return build


@pytest.fixture
def pod() -> Callable[..., Manifest]:
    """A pod of `svc`, ready unless told otherwise."""

    def build(
        name: str = "pod-a",
        *,
        ready: bool = True,
        agent: bool = True,
        revision: str | None = "svc-predictor-1",
        claims: Iterable[str] = (),
        phase: str = "Running",
        **status: Any,
    ) -> Manifest:
        containers = [{"name": "kserve-container"}] + ([{"name": "agent"}] if agent else [])
        volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
        owners = [{"kind": "ReplicaSet", "name": revision, "uid": "rs"}] if revision else []
        conditions = [{"type": "Ready", "status": "True" if ready else "False"}, *status.pop("conditions", ())]
        return {
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", "ownerReferences": owners},
            "spec": {"containers": containers, "volumes": volumes},
            "status": {"phase": phase, "conditions": conditions} | status,
        }

    return build


@pytest.fixture
def observe() -> Callable[..., Observed]:
    """An observation of `svc`, from manifests."""

    def build(
        service: Manifest | None,
        models: Iterable[Manifest] = (),
        *,
        children: Iterable[Manifest] = (),
        pods: Iterable[Manifest] = (),
        runtimes: Iterable[Runtime] = (),
        **rest: Any,
    ) -> Observed:
        name = service["metadata"]["name"] if service else "svc"
        return Observed(
            key=Key(NAMESPACE, name),
            service=parse(InferenceService, service) if service else None,
            trained_models=tuple(parse(TrainedModel, model) for model in models),
            runtimes=tuple(runtimes),
            children={(child["kind"], child["metadata"]["name"]): child for child in children},
            pods=tuple(pods),
            **rest,
        )

    return build


@pytest.fixture
def report() -> Callable[..., AgentReport]:
    """What an agent says: keyword arguments are models, each with the fields of AgentModel that matter."""

    def build(digest: str | None = None, **models: Manifest) -> AgentReport:
        told = (
            AgentModel.model_validate({"name": name, "state": "Pending", "storageUri": "s3://x/y"} | fields)
            for name, fields in sorted(models.items())
        )
        return AgentReport(AgentStatus(revision=1, instance="i", config_digest=digest, models=tuple(told)))

    return build


@pytest.fixture
def failure() -> Callable[..., Manifest]:
    """Fields of a model whose last attempt failed."""

    def build(wanted: str, reason: str = "BucketNotFound", **fields: Any) -> Manifest:
        error = ModelError(reason=reason, message=f"{reason} happened", time="2026-11-21T11:00:00Z")
        return {"state": ModelState.FAILED, "wanted_id": wanted, "last_error": error} | fields

    return build


@pytest.fixture
def child_of() -> Callable[[Plan, str, str], Manifest]:
    """The manifest of a kind (and name) that a plan applies."""

    def find(plan: Plan, kind: str, name: str = "") -> Manifest:
        found = [made for made in plan.apply if made["kind"] == kind and name in ("", made["metadata"]["name"])]
        assert len(found) == 1, f"{len(found)} of {kind} {name}"
        return found[0]

    return find


@pytest.fixture
def condition() -> Callable[..., Manifest]:
    """A condition of a status on the wire."""

    def find(status: Manifest, kind: str) -> Manifest:
        return next((dict(entry) for entry in status["conditions"] if entry["type"] == kind), {})

    return find
