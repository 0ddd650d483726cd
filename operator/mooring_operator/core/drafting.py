"""From what is observed to the decisions that manifests are written from: is it multi-model, where do files come
from, who may be loaded.
"""

from dataclasses import replace
from fractions import Fraction

from mooring_api import names
from mooring_api.model_config import dumps
from mooring_api.quantity import parse_quantity
from mooring_api.v1alpha1 import TrainedModel
from mooring_api.v1beta1 import InferenceServiceSpec
from mooring_operator.core.checks import Admission, Host, admit
from mooring_operator.core.observed import Manifest, Meta, Observed, Parsed
from mooring_operator.core.placement import Placement, env_value, place
from mooring_operator.core.pods import UNSCHEDULABLE, PodView
from mooring_operator.core.refusal import INVALID_PREDICTOR, Refused
from mooring_operator.core.render.agent import mounted_claims
from mooring_operator.core.render.blueprint import Blueprint
from mooring_operator.core.render.deployment import IN_PLACE
from mooring_operator.core.spec_checks import check_spec
from mooring_operator.core.storage_sources import sources
from mooring_operator.settings import Settings

Models = tuple[Parsed[TrainedModel], ...]


def draft(
    observed: Observed,
    meta: Meta,
    spec: InferenceServiceSpec,
    models: Models,
    pods: tuple[PodView, ...],
    settings: Settings,
) -> tuple[Blueprint, Admission]:
    """The blueprint of a service, and which of its TrainedModels (oldest first) are loaded.

    Raises:
        Refused: the specification cannot be carried out.
    """
    check_spec(meta, spec)
    predictor = spec.predictor
    origin = sources(predictor)
    placement = place(meta, predictor, observed.runtimes, settings.predictor.resources, has_storage=bool(origin))
    live = observed.children.get(("Deployment", names.predictor_name(meta.name)), {})
    multi_model = not origin and (_declared_multi_model(placement) or bool(models) or _has_agent(live))
    if multi_model:
        _check_agent_port(placement)
    host = Host(
        namespace=meta.namespace,
        name=meta.name,
        multi_model=not origin,
        memory_limit_bytes=_memory_limit(placement),
        missing_claims=observed.missing_claims,
    )
    admission = admit(models, host)
    blueprint = Blueprint(
        meta=meta,
        predictor=predictor,
        placement=placement,
        sources=origin,
        multi_model=multi_model,
        claims=_claims(admission, live, observed.missing_claims),
        models_json=dumps(admission.admitted),
        live_replicas=live.get("spec", {}).get("replicas"),
    )
    return replace(blueprint, in_place=_in_place(blueprint, pods, live)), admission


def _declared_multi_model(placement: Placement) -> bool:
    declared = (env_value(placement.main, names.ENV_MULTI_MODEL) or "").lower() == "true"
    return declared or bool(placement.runtime and placement.runtime.spec.multi_model)


def _check_agent_port(placement: Placement) -> None:
    for container in (placement.main, *placement.sidecars):
        if any(port.get("containerPort") == names.AGENT_PORT for port in container.get("ports") or ()):
            raise Refused(
                INVALID_PREDICTOR,
                f"Container {container['name']} listens on port {names.AGENT_PORT}, which is the agent's in a "
                "service of TrainedModels; choose another port.",
            )


def _has_agent(deployment: Manifest) -> bool:
    # Once added, the agent stays: the last TrainedModel's removal must not restart the pods.
    containers = deployment.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or ()
    return any(container.get("name") == names.CONTAINER_AGENT for container in containers)


def _claims(admission: Admission, live: Manifest, missing: frozenset[str]) -> tuple[str, ...]:
    # Once mounted, a claim stays until it is deleted: removing a model must not restart the pods.
    return tuple(sorted({*admission.claims, *(mounted_claims(live) - missing)}))


def _memory_limit(placement: Placement) -> Fraction | None:
    limits = (placement.main.get("resources") or {}).get("limits") or {}
    if "memory" not in limits:
        return None
    try:
        return parse_quantity(str(limits["memory"]))
    except ValueError as exc:
        where = f"resources.limits.memory of {names.CONTAINER_MAIN}"
        raise Refused(INVALID_PREDICTOR, f"{where}: {exc}.") from exc


def _in_place(blueprint: Blueprint, pods: tuple[PodView, ...], live: Manifest) -> bool:
    """Whether the rollout of what Mooring adds (the agent, a claim) must make room first.

    The users' pods were there before; on a full node the new pod never gets its place while the old one keeps it. It
    stays so until no pod lacks anything, and concerns no rollout that the users asked for.
    """
    if not blueprint.multi_model:
        return False
    lacking = [pod for pod in pods if not pod.has_agent or not pod.claims.issuperset(blueprint.claims)]
    stuck = any(pod.trouble and pod.trouble.reason == UNSCHEDULABLE for pod in pods if pod not in lacking)
    return bool(lacking) and (stuck or live.get("spec", {}).get("strategy") == IN_PLACE)
