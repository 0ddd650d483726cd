"""What to do about one InferenceService: the single entry to the pure core.

`decide` sees values and returns values. It is level-triggered: whatever rang, it says how everything of the key must
be, and the same observation gives the same plan.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mooring_api import names
from mooring_api.base import ApiModel
from mooring_api.model_config import digest
from mooring_api.v1beta1 import InferenceService, InferenceServiceStatus
from mooring_operator.core.checks import Admission, Host, admit
from mooring_operator.core.conditions import READY, Finding
from mooring_operator.core.drafting import Models, draft
from mooring_operator.core.events import status_event
from mooring_operator.core.model_status import Serving, model_status, models_by_agent
from mooring_operator.core.nudges import nudges
from mooring_operator.core.observed import Key, Manifest, Meta, Observed, Parsed
from mooring_operator.core.plan import Adoption, Event, Plan, Ref, StatusWrite
from mooring_operator.core.pods import PodView, pod_views
from mooring_operator.core.refusal import INVALID_PREDICTOR, RECONCILE_FAILED, Refused
from mooring_operator.core.render.blueprint import API_VERSION, Blueprint, owner_reference
from mooring_operator.core.render.children import children, config_map
from mooring_operator.core.render.deployment import IN_PLACE
from mooring_operator.core.service_status import refused_status, running_status, stopped_status
from mooring_operator.settings import Settings

MODEL_API_VERSION = f"{names.GROUP}/v1alpha1"
Report = tuple[tuple[StatusWrite, ...], tuple[Event, ...]]


def decide(observed: Observed, settings: Settings, now: datetime) -> Plan:
    """The plan for `observed.key`; `now` is timezone-aware."""
    models = tuple(model for model in observed.trained_models if not model.meta.deleting)
    service = observed.service
    if service is None:
        return _without_service(observed.key, models, now)
    if service.meta.deleting:
        return Plan()  # the garbage collector takes everything that it owns, TrainedModels too
    pods = pod_views(observed.pods)
    try:
        if service.value is None:
            problem = f"The InferenceService cannot be read: {service.error}. Correct its spec."
            raise Refused(INVALID_PREDICTOR, problem)
        if observed.server_refusal is not None:
            problem = f"The API server refuses what the spec asks for: {observed.server_refusal}. Correct the spec."
            raise Refused(RECONCILE_FAILED, problem)
        blueprint, admission = draft(observed, service.meta, service.value.spec, models, pods, settings)
    except Refused as refused:
        return _refused(observed, service, models, refused, now)
    if service.meta.annotations.get(names.ANNOTATION_STOP, "").lower() == "true":
        return _stopped(observed, service, blueprint, models, admission, now)
    return _running(observed, service, blueprint, models, admission, pods, settings, now)


def _without_service(key: Key, models: Models, now: datetime) -> Plan:
    host = Host(key.namespace, key.name, exists=False)
    return _plan(_model_reports(models, admit(models, host), Serving(key.name, Finding(READY, False)), now))


def _refused(
    observed: Observed, service: Parsed[InferenceService], models: Models, refused: Refused, now: datetime
) -> Plan:
    """Nothing half-made: what runs stays as it is, and the status says why."""
    status = refused_status(service.meta, service.status, refused, now)
    host = Host(observed.key.namespace, observed.key.name, refusal=refused.message)
    serving = Serving(service.meta.name, _ready(status))
    return _plan(
        _report(_service_ref(service.meta), service.status, status),
        _model_reports(models, admit(models, host), serving, now),
        adopt=_adoptions(service.meta, models),
    )


def _stopped(
    observed: Observed,
    service: Parsed[InferenceService],
    blueprint: Blueprint,
    models: Models,
    admission: Admission,
    now: datetime,
) -> Plan:
    status = stopped_status(service.meta, service.status, now)
    kept = (config_map(blueprint),) if blueprint.multi_model else ()
    serving = Serving(service.meta.name, _ready(status))
    return _plan(
        _report(_service_ref(service.meta), service.status, status),
        _model_reports(models, admission, serving, now),
        apply=_ours(kept, observed),
        delete=_surplus(kept, observed),
        adopt=_adoptions(service.meta, models),
    )


def _running(
    observed: Observed,
    service: Parsed[InferenceService],
    blueprint: Blueprint,
    models: Models,
    admission: Admission,
    pods: tuple[PodView, ...],
    settings: Settings,
    now: datetime,
) -> Plan:
    wanted = children(blueprint, observed.credentials, settings)
    status = running_status(blueprint, observed, pods, settings, now)
    serving = Serving(
        service=service.meta.name,
        ready=_ready(status),
        protocol=blueprint.placement.protocol,
        url=status.url,
        address=status.address.url if status.address else None,
        pods=pods,
        agents=observed.agents,
        models=models_by_agent(observed.agents),
    )
    followed = pods if blueprint.multi_model else ()
    newest = digest(blueprint.models_json)
    nudge, look_again = nudges(service.meta.namespace, followed, observed.agents, observed.nudges, newest, now)
    return _plan(
        _report(_service_ref(service.meta), service.status, status),
        _rollout_report(blueprint, observed, service.meta),
        _model_reports(models, admission, serving, now),
        apply=_ours(wanted, observed),
        delete=_surplus(wanted, observed),
        adopt=_adoptions(service.meta, models),
        nudge=nudge,
        requeue_after_s=look_again,
        wants_agents=blueprint.multi_model,
    )


def _plan(*reports: Report, **parts: Any) -> Plan:
    statuses = tuple(write for writes, _ in reports for write in writes)
    events = tuple(event for _, told in reports for event in told)
    return Plan(statuses=statuses, events=events, **parts)


def _report(ref: Ref, before: Mapping[str, Any], status: ApiModel) -> Report:
    after = status.to_wire()
    if after == before:
        return (), ()
    event = status_event(ref, before, after)
    return (StatusWrite(ref, after),), (event,) if event else ()


def _model_reports(models: Models, admission: Admission, serving: Serving, now: datetime) -> Report:
    writes: list[StatusWrite] = []
    events: list[Event] = []
    for model in models:
        status = model_status(model, admission.rejected.get(model.meta.name), serving, now)
        wrote, told = _report(_model_ref(model.meta), model.status, status)
        writes += wrote
        events += told
    return tuple(writes), tuple(events)


def _rollout_report(blueprint: Blueprint, observed: Observed, meta: Meta) -> Report:
    live = observed.children.get(("Deployment", blueprint.name), {})
    if not blueprint.in_place or live.get("spec", {}).get("strategy") == IN_PLACE:
        return (), ()
    message = (
        "No node has room for a new pod beside the old one, so pods are replaced one by one, the old one first; "
        "requests may fail until the new pod is ready."
    )
    return (), (Event(_service_ref(meta), "Warning", "ReplacingInPlace", message),)


def _ours(wanted: tuple[Manifest, ...], observed: Observed) -> tuple[Manifest, ...]:
    return tuple(made for made in wanted if (made["kind"], made["metadata"]["name"]) not in observed.foreign)


def _surplus(wanted: tuple[Manifest, ...], observed: Observed) -> tuple[Ref, ...]:
    keep = {(made["kind"], made["metadata"]["name"]) for made in wanted}
    return tuple(
        Ref(live["apiVersion"], kind, live["metadata"]["namespace"], name, live["metadata"].get("uid", ""))
        for (kind, name), live in sorted(observed.children.items(), key=lambda item: item[0])
        if (kind, name) not in keep
    )


def _adoptions(meta: Meta, models: Models) -> tuple[Adoption, ...]:
    labels = {names.LABEL_TRAINED_MODEL_PARENT: meta.name}
    return tuple(
        Adoption(_model_ref(model.meta), labels, owner_reference(meta))
        for model in models
        if meta.uid not in model.meta.owner_uids or labels.items() - model.meta.labels.items()
    )


def _ready(status: InferenceServiceStatus) -> Finding:
    entry = next(condition for condition in status.conditions if condition.type == READY)
    return Finding(READY, entry.status == "True", entry.reason, entry.message)


def _service_ref(meta: Meta) -> Ref:
    return Ref(API_VERSION, "InferenceService", meta.namespace, meta.name, meta.uid)


def _model_ref(meta: Meta) -> Ref:
    return Ref(MODEL_API_VERSION, "TrainedModel", meta.namespace, meta.name, meta.uid)
