"""The status of a TrainedModel: Ready only when every ready pod has the wanted version loaded, as its agent says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mooring_api import names
from mooring_api.agent_status import AgentModel, ModelState
from mooring_api.model_config import download_id
from mooring_api.v1alpha1 import Address, ModelCopies, TrainedModel, TrainedModelState, TrainedModelStatus
from mooring_operator.core.checks import IS_MULTI_MODEL, MEMORY_AVAILABLE, MODEL_LOADED, SERVICE_READY, Rejection
from mooring_operator.core.conditions import Finding, conditions, with_ready
from mooring_operator.core.observed import AgentReport, Parsed
from mooring_operator.core.pods import PodView

SERVICE_NOT_READY = "InferenceServiceNotReady"
AGENT_UNREACHABLE = "AgentUnreachable"
PENDING = "Pending"
_SILENT = AgentReport(None)
_ORDER = (SERVICE_READY, IS_MULTI_MODEL, MODEL_LOADED, MEMORY_AVAILABLE)
"""In which the checks look at what these conditions speak of."""
_STAGES = {ModelState.DOWNLOADING: "Downloading", ModelState.LOADING: "Loading"}
_STATES: Mapping[str, TrainedModelState] = {"Downloading": "Loading", "Loading": "Loading"}
"""spec.modelState by the reason of a wait; anything else is Pending."""


@dataclass(frozen=True)
class Serving:
    """What all TrainedModels of one InferenceService share."""

    service: str
    ready: Finding
    """Ready of the InferenceService."""
    protocol: str = "v2"
    url: str | None = None
    address: str | None = None
    pods: tuple[PodView, ...] = ()
    agents: Mapping[str, AgentReport] = field(default_factory=dict)
    """By pod uid."""
    models: Mapping[str, Mapping[str, AgentModel]] = field(default_factory=dict)
    """What each agent says of each model: by pod uid, then by model name."""


@dataclass(frozen=True)
class Verdict:
    """How far one pod is with one model; loaded when `reason` is empty."""

    reason: str = ""
    message: str = ""
    failed: bool = False
    unheard: bool = False
    """Whether the agent has not been heard at all."""


def models_by_agent(agents: Mapping[str, AgentReport]) -> dict[str, dict[str, AgentModel]]:
    """`Serving.models`: the agents' words, indexed once for all models."""
    return {
        uid: {model.name: model for model in report.status.models} for uid, report in agents.items() if report.status
    }


def model_status(
    model: Parsed[TrainedModel], rejection: Rejection | None, serving: Serving, now: datetime
) -> TrainedModelStatus:
    """The status of one TrainedModel."""
    if rejection or model.value is None:
        problem = f"The TrainedModel cannot be read: {model.error}"
        refused = rejection or Rejection(MODEL_LOADED, "InvalidSpec", problem)
        return _status(model, serving, _rejected(refused, serving), "Rejected", None, now)
    wanted = download_id(model.value.spec.model)
    ready = [pod for pod in serving.pods if pod.ready]
    verdicts = [_verdict(pod, serving, model.meta.name, wanted) for pod in ready]
    if _was_loaded(model):
        verdicts = [Verdict() if verdict.unheard else verdict for verdict in verdicts]
    unhappy = sorted((v for v in verdicts if v.reason), key=lambda verdict: not verdict.failed)
    if not ready:
        unhappy = _before_ready(serving, model.meta.name, wanted)
    first = unhappy[0] if unhappy else Verdict()
    loaded = Finding(MODEL_LOADED, not unhappy, first.reason or None, first.message or None)
    checked = (_service_ready(serving), Finding(IS_MULTI_MODEL, True), Finding(MEMORY_AVAILABLE, True))
    # an agent's error tells more than "the service is not ready"
    findings = (loaded, *checked) if first.failed else (*checked, loaded)
    copies = ModelCopies(
        total=len(ready),
        loaded=sum(not verdict.reason for verdict in verdicts),
        failed=sum(verdict.failed for verdict in verdicts),
    )
    return _status(model, serving, findings, _state(first), copies, now)


def _was_loaded(model: Parsed[TrainedModel]) -> bool:
    # An operator that just started has not heard the agents yet; until then the last word counts.
    same = model.status.get("observedGeneration") == model.meta.generation
    return same and any(
        entry.get("type") == MODEL_LOADED and entry.get("status") == "True"
        for entry in model.status.get("conditions") or ()
    )


def _before_ready(serving: Serving, name: str, wanted: str) -> list[Verdict]:
    # Only failures are told of pods that are not ready: each further stage would be a write for every model.
    started = [_verdict(pod, serving, name, wanted) for pod in serving.pods if pod.running]
    failed = [verdict for verdict in started if verdict.failed]
    return failed or [Verdict(PENDING, f"No pod of InferenceService {serving.service} is ready yet.")]


def _state(first: Verdict) -> TrainedModelState:
    if first.failed:
        return "FailedToLoad"
    return _STATES.get(first.reason, "Pending") if first.reason else "Loaded"


def _status(
    model: Parsed[TrainedModel],
    serving: Serving,
    findings: tuple[Finding, ...],
    state: TrainedModelState,
    copies: ModelCopies | None,
    now: datetime,
) -> TrainedModelStatus:
    path = names.infer_path(model.meta.name, serving.protocol)
    shown = state != "Rejected"
    return TrainedModelStatus(
        observed_generation=model.meta.generation,
        conditions=conditions(with_ready(findings), model.status, now),
        url=f"{serving.url}{path}" if serving.url and shown else None,
        address=Address(url=f"{serving.address}{path}") if serving.address and shown else None,
        model_state=state,
        copies=copies,
    )


def _rejected(rejection: Rejection, serving: Serving) -> tuple[Finding, ...]:
    refused = Finding(rejection.condition, False, rejection.reason, rejection.message)
    at = _ORDER.index(rejection.condition)
    passed = [_service_ready(serving) if kind == SERVICE_READY else Finding(kind, True) for kind in _ORDER[:at]]
    skipped = [Finding(kind, None, rejection.reason, "Not checked yet.") for kind in _ORDER[at + 1 :]]
    others = [finding for finding in (*passed, *skipped) if finding.type != MODEL_LOADED]
    if rejection.condition != MODEL_LOADED:
        others.append(Finding(MODEL_LOADED, False, rejection.reason, rejection.message))
    return (refused, *others)


def _service_ready(serving: Serving) -> Finding:
    if serving.ready.status:
        return Finding(SERVICE_READY, True)
    why = serving.ready.message or "it has not been looked at yet"
    message = f"InferenceService {serving.service} is not ready: {why}"
    return Finding(SERVICE_READY, False, SERVICE_NOT_READY, message)


def _verdict(pod: PodView, serving: Serving, name: str, wanted: str) -> Verdict:
    if not pod.has_agent:
        return Verdict(PENDING, f"Pod {pod.name} has no agent; it is being replaced by one that has.")
    report = serving.agents.get(pod.uid, _SILENT)
    if report.status is None and report.error:
        return Verdict(AGENT_UNREACHABLE, f"The agent of pod {pod.name} does not answer: {report.error}")
    told = serving.models.get(pod.uid, {}).get(name)
    if told is None:
        unseen = f"The agent of pod {pod.name} has not seen the model yet."
        return Verdict(PENDING, unseen, unheard=report.status is None)
    if told.loaded_id == wanted:
        return Verdict()
    serves = " The version before it still serves." if told.loaded_id else ""
    if told.wanted_id != wanted:
        return Verdict(PENDING, f"The agent of pod {pod.name} has not seen the newest version yet.{serves}")
    if error := told.last_error:
        # also while the next attempt runs: the reason stays until the model is loaded
        again = f"next attempt at {told.next_retry}" if told.next_retry else "trying again now"
        return Verdict(error.reason, f"{error.message} (pod {pod.name}, {again}){serves}", failed=True)
    stage = _STAGES.get(told.state, PENDING)
    return Verdict(stage, f"Pod {pod.name} has the model in state {stage}.{serves}")
