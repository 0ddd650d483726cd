"""The status of an InferenceService. READY never lies: it needs pods that answer.

Between "applied" and "ready" there is one status, whose text does not change while pods start: each further one would
be an API write for every service.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mooring_api import names
from mooring_api.v1alpha1 import Address
from mooring_api.v1beta1 import InferenceServiceStatus, ModelStates, ModelStatus
from mooring_operator.core.conditions import Finding, conditions, with_ready
from mooring_operator.core.observed import Manifest, Meta, Observed
from mooring_operator.core.placement import Placement
from mooring_operator.core.pods import PodView
from mooring_operator.core.refusal import Refused
from mooring_operator.core.render.blueprint import Blueprint
from mooring_operator.core.render.routes import host, internal_host
from mooring_operator.core.rollout import Obstacle, component, failure_info, obstacle, target_state
from mooring_operator.settings import Settings

PREDICTOR_READY = "PredictorReady"
INGRESS_READY = "IngressReady"
STOPPED = "Stopped"
WAITING_REASON = "MinimumReplicasUnavailable"
_FAILURE_REASONS = frozenset({"RuntimeDisabled", "NoSupportingRuntime", "RuntimeNotRecognized"})
_TRANSITIONS = {"Loaded": "UpToDate", "FailedToLoad": "BlockedByFailedLoad"}


def running_status(
    blueprint: Blueprint, observed: Observed, pods: tuple[PodView, ...], settings: Settings, now: datetime
) -> InferenceServiceStatus:
    """The status of a service whose objects are applied."""
    before, meta, placement = _before(observed), blueprint.meta, blueprint.placement
    live = observed.children.get(("Deployment", blueprint.name), {})
    trouble = obstacle(live, pods, meta)
    findings = (_predictor(blueprint, observed, live, pods, trouble), _route(blueprint, observed, settings))
    inside = f"http://{internal_host(blueprint.name, meta.namespace)}"
    routed = settings.ingress.enabled and blueprint.routed
    scheme = settings.ingress.url_scheme
    outside = f"{scheme}://{host(meta.name, meta.namespace, settings.ingress)}" if routed else inside
    own = f"{scheme}://{host(blueprint.name, meta.namespace, settings.ingress)}" if routed else inside
    return InferenceServiceStatus(
        observed_generation=meta.generation,
        conditions=conditions(with_ready(findings), before, now),
        url=outside,
        address=Address(url=inside),
        components={"predictor": component(live, pods, own)} if any(pod.ready for pod in pods) else None,
        model_status=_model_status(live, pods, trouble, before, now) if blueprint.replicas else None,
        deployment_mode="Standard",
        **_runtime_names(placement),
    )


def refused_status(meta: Meta, before: Mapping[str, Any], refused: Refused, now: datetime) -> InferenceServiceStatus:
    """The status of a service that is not carried out; what ran before still runs."""
    findings = (
        Finding(PREDICTOR_READY, False, refused.reason, refused.message),
        Finding(
            INGRESS_READY, None, refused.reason, "Routes are looked at once the predictor's specification is right."
        ),
    )
    reason = refused.reason if refused.reason in _FAILURE_REASONS else "InvalidPredictorSpec"
    trouble = Obstacle(refused.reason, refused.message, failure=reason)
    return InferenceServiceStatus(
        observed_generation=meta.generation,
        conditions=conditions(with_ready(findings), before, now),
        model_status=ModelStatus(
            transition_status="InvalidSpec",
            states=ModelStates(active_model_state="", target_model_state="FailedToLoad"),
            last_failure_info=failure_info(trouble, before, now),
        ),
        deployment_mode="Standard",
    )


def stopped_status(meta: Meta, before: Mapping[str, Any], now: datetime) -> InferenceServiceStatus:
    """The status of a service that the stop annotation has taken down (spec: kserve-control-plane section 1.13)."""
    message = f"Annotation {names.ANNOTATION_STOP} is true, so nothing runs; remove it to start the service."
    findings = (
        Finding(PREDICTOR_READY, False, STOPPED, message),
        Finding(INGRESS_READY, False, STOPPED, message),
        Finding(STOPPED, True, STOPPED, message, informs=True),
    )
    return InferenceServiceStatus(
        observed_generation=meta.generation,
        conditions=conditions(with_ready(findings), before, now),
        deployment_mode="Standard",
    )


def _before(observed: Observed) -> Mapping[str, Any]:
    return observed.service.status if observed.service else {}


def _runtime_names(placement: Placement) -> dict[str, Any]:
    if placement.runtime is None:
        return {}
    field = "cluster_serving_runtime_name" if placement.runtime.cluster_scoped else "serving_runtime_name"
    return {field: placement.runtime.meta.name}


def _predictor(
    blueprint: Blueprint, observed: Observed, live: Manifest, pods: tuple[PodView, ...], trouble: Obstacle | None
) -> Finding:
    wanted = [("Deployment", blueprint.name), ("Service", blueprint.name)]
    if blueprint.autoscaled:
        wanted.append(("HorizontalPodAutoscaler", blueprint.name))
    if blueprint.multi_model:
        wanted.append(("ConfigMap", names.model_config_map_name(blueprint.meta.name)))
    if clash := _clash(observed, wanted):
        return Finding(PREDICTOR_READY, False, "NameConflict", clash)
    if not blueprint.replicas:
        return Finding(
            PREDICTOR_READY,
            False,
            "ZeroReplicas",
            "minReplicas is 0, so no pod runs and nothing answers; set it to at least 1.",
        )
    note = _note(blueprint, observed)
    if _answers(blueprint, live, pods):
        message = " ".join(filter(None, (trouble.message if trouble else "", note)))
        return Finding(PREDICTOR_READY, True, trouble.reason if trouble else None, message or None)
    claims = _missing_claims(blueprint, observed)
    if claims:
        return Finding(PREDICTOR_READY, False, "StorageNotFound", note)
    if trouble:
        return Finding(PREDICTOR_READY, False, trouble.reason, " ".join(filter(None, (trouble.message, note))))
    waiting = "Waiting for the pods to become ready."
    return Finding(PREDICTOR_READY, False, WAITING_REASON, " ".join(filter(None, (waiting, note))))


def _answers(blueprint: Blueprint, live: Manifest, pods: tuple[PodView, ...]) -> bool:
    ready = sum(pod.ready for pod in pods)
    available = any(
        entry.get("type") == "Available" and entry.get("status") == "True"
        for entry in live.get("status", {}).get("conditions") or ()
    )
    # The Deployment's own word may be older than the pods', so it counts only together with a ready pod.
    # Beyond minReplicas an autoscaler may add pods: a service that answers does not stop being ready for that.
    return ready > 0 and (available or ready >= blueprint.replicas)


def _route(blueprint: Blueprint, observed: Observed, settings: Settings) -> Finding:
    name = blueprint.meta.name
    wanted = [("Service", name)]
    if settings.ingress.enabled and blueprint.routed:
        wanted.append(("Ingress", name))
    if clash := _clash(observed, wanted):
        return Finding(INGRESS_READY, False, "NameConflict", clash)
    return Finding(INGRESS_READY, True)


def _clash(observed: Observed, wanted: list[tuple[str, str]]) -> str | None:
    clashes = [f"{kind} {name}" for kind, name in wanted if (kind, name) in observed.foreign]
    if not clashes:
        return None
    return (
        f"{' and '.join(clashes)} in namespace {observed.key.namespace} already exist and belong to somebody else, so "
        "they are left alone. Delete or rename them, or give the InferenceService another name."
    )


def _missing_claims(blueprint: Blueprint, observed: Observed) -> list[str]:
    claims = {source.uri.bucket for source in blueprint.sources if source.uri.scheme == "pvc"}
    return sorted(claims & observed.missing_claims)


def _note(blueprint: Blueprint, observed: Observed) -> str:
    """What is known to be wrong beside the pods' own troubles; empty when nothing is."""
    where = f"in namespace {observed.key.namespace}"
    parts = [
        f"There is no PersistentVolumeClaim {claim!r} {where}; create it, or correct storageUri."
        for claim in _missing_claims(blueprint, observed)
    ]
    parts += [
        f"There is no Secret {secret!r} {where}, which is named for storage credentials; create it, or remove its name."
        for secret in observed.credentials.missing
    ]
    return " ".join(parts)


def _model_status(
    live: Manifest, pods: tuple[PodView, ...], trouble: Obstacle | None, before: Mapping[str, Any], now: datetime
) -> ModelStatus:
    target = target_state(live, pods, trouble)
    blocked = trouble if target == "FailedToLoad" else None
    return ModelStatus.model_validate(
        {
            "transition_status": _TRANSITIONS.get(target, "InProgress"),
            "states": ModelStates.model_validate(
                {
                    "active_model_state": "Loaded" if any(pod.ready for pod in pods) else "",
                    "target_model_state": target,
                }
            ),
            "last_failure_info": failure_info(blocked, before, now) if blocked else None,
            "copies": {
                "failed_copies": sum(pod.trouble is not None for pod in pods),
                "total_copies": sum(pod.ready for pod in pods),
            },
        }
    )
