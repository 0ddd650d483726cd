"""The Deployment and its autoscaler (spec: kserve-control-plane sections 1.6, 1.8)."""

from mooring_api import names
from mooring_api.v1beta1 import ResourceMetric
from mooring_operator.core.observed import Credentials, Manifest
from mooring_operator.core.placement import Placement
from mooring_operator.core.render.agent import with_agent
from mooring_operator.core.render.blueprint import Blueprint, manifest
from mooring_operator.core.render.canonical import canonical_container, canonical_quantity, without_nulls
from mooring_operator.core.render.containers import PodParts
from mooring_operator.core.render.credentials import access
from mooring_operator.core.render.storage import with_storage
from mooring_operator.core.strategic_merge import merge_by
from mooring_operator.settings import Settings

IN_PLACE: Manifest = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
"""An old pod goes before the new one comes: for a node that has no room for both."""
_SURGE: Manifest = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}
_DEFAULT_TARGET = 80


def deployment(blueprint: Blueprint, credentials: Credentials, settings: Settings) -> Manifest:
    """The predictor's Deployment."""
    spec: Manifest = {
        "selector": {"matchLabels": blueprint.selector},
        "strategy": _strategy(blueprint),
        "template": _template(blueprint, credentials, settings),
    }
    # Server-side apply removes a field that its owner no longer sends, and one pod is the API server's default. So
    # where an autoscaler decides, we repeat what it has decided; there is never a moment with one pod.
    decided = blueprint.live_replicas if blueprint.scaled_by_others else None
    spec["replicas"] = decided or blueprint.replicas
    return manifest(blueprint, "apps/v1", "Deployment", blueprint.name, spec=spec)


def autoscaler(blueprint: Blueprint) -> Manifest:
    """The HorizontalPodAutoscaler."""
    predictor = blueprint.predictor
    spec: Manifest = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": blueprint.name},
        "minReplicas": blueprint.replicas,
        "maxReplicas": predictor.max_replicas,
        "metrics": _metrics(blueprint),
    }
    if predictor.auto_scaling and predictor.auto_scaling.behavior:
        spec["behavior"] = predictor.auto_scaling.behavior
    return manifest(blueprint, "autoscaling/v2", "HorizontalPodAutoscaler", blueprint.name, spec=spec)


def _metrics(blueprint: Blueprint) -> list[Manifest]:
    predictor = blueprint.predictor
    if predictor.auto_scaling and predictor.auto_scaling.metrics:
        return [_resource_metric(metric.resource) for metric in predictor.auto_scaling.metrics if metric.resource]
    wanted = predictor.scale_target or _DEFAULT_TARGET
    average = predictor.scale_metric_type == "AverageValue"
    target: Manifest = (
        {"type": "AverageValue", "averageValue": canonical_quantity(wanted)}
        if average
        else {"type": "Utilization", "averageUtilization": wanted}
    )
    return [{"type": "Resource", "resource": {"name": predictor.scale_metric or "cpu", "target": target}}]


def _resource_metric(metric: ResourceMetric) -> Manifest:
    given = metric.target
    amount = given.average_value or given.value
    target: Manifest = (
        {"type": "AverageValue", "averageValue": canonical_quantity(amount)}
        if amount
        else {"type": "Utilization", "averageUtilization": given.average_utilization or _DEFAULT_TARGET}
    )
    return {"type": "Resource", "resource": {"name": metric.name, "target": target}}


def _strategy(blueprint: Blueprint) -> Manifest:
    if own := blueprint.predictor.deployment_strategy:
        return own
    return IN_PLACE if blueprint.in_place else _SURGE


def _template(blueprint: Blueprint, credentials: Credentials, settings: Settings) -> Manifest:
    placement = blueprint.placement
    parts = PodParts(placement.main, placement.sidecars, placement.pod)
    granted = access(credentials, settings.s3, settings.env)
    if blueprint.multi_model:
        parts = with_agent(parts, blueprint, settings.agent, granted)
    if blueprint.sources:
        parts = with_storage(parts, blueprint, settings.storage_initializer, granted)
    metadata: Manifest = {"labels": blueprint.labels}
    if annotations := {**blueprint.annotations, **parts.annotations}:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": _pod_spec(blueprint, parts)}


def _pod_spec(blueprint: Blueprint, parts: PodParts) -> Manifest:
    service = {"name": names.ENV_INFERENCE_SERVICE, "value": blueprint.meta.name}
    containers = [
        container if container["name"] == names.CONTAINER_AGENT else _with_env(container, service)
        for container in (_main(parts.main, blueprint.placement), *parts.sidecars)
    ]
    spec: Manifest = without_nulls(parts.pod)
    initializers = [*(spec.pop("initContainers", None) or []), *parts.initializers]
    spec["containers"] = [canonical_container(container) for container in containers]
    if initializers:
        spec["initContainers"] = [canonical_container(container) for container in initializers]
    return spec


def _main(container: Manifest, placement: Placement) -> Manifest:
    defaults: Manifest = {
        # KServe's period of 10 s makes one service in five need ten seconds more
        "readinessProbe": {
            "tcpSocket": {"port": placement.port},
            "periodSeconds": 1,
            "timeoutSeconds": 1,
            "failureThreshold": 3,
        },
        # what a crashing server printed last is then in the InferenceService's status
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    return {**defaults, **container}


def _with_env(container: Manifest, entry: Manifest) -> Manifest:
    return {**container, "env": merge_by("name", container.get("env") or [], [entry])}
