"""How far the pods of an InferenceService are: revisions, traffic, and what stands in the way."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mooring_api.v1beta1 import ComponentStatus, FailureInfo, ModelStateName, TrafficTarget
from mooring_operator.core import pods as reasons
from mooring_operator.core.conditions import timestamp
from mooring_operator.core.observed import Manifest, Meta
from mooring_operator.core.pods import PodView, Trouble

MODEL_LOAD_FAILED = "ModelLoadFailed"
RUNTIME_UNHEALTHY = "RuntimeUnhealthy"
_REPLICA_SET = re.compile(r'[Rr]eplica ?[Ss]et "([^"]+)"')
_LOAD_FAILURES = frozenset({reasons.INITIALIZER_FAILED, reasons.CRASH_LOOP, reasons.TERMINATED, reasons.OUT_OF_MEMORY})
_LOGS = "See `kubectl logs -n {namespace} {pod} -c {container} --previous`."
_ADVICE: Mapping[str, str] = {
    reasons.IMAGE_PULL: "Check the image's name and tag, and imagePullSecrets if its registry is private.",
    "InvalidImageName": "Correct the image's name.",
    "ErrImageNeverPull": "Load the image on the node, or set another imagePullPolicy.",
    "CreateContainerConfigError": "Create what the container refers to, or correct the reference.",
    "RunContainerError": "Correct the container's command or security context.",
    reasons.UNSCHEDULABLE: "Lower resources.requests, correct nodeSelector or tolerations, or add nodes.",
    reasons.OUT_OF_MEMORY: "It used more memory than resources.limits.memory: raise the limit, or load less.",
    reasons.INITIALIZER_FAILED: "Correct storageUri or the storage credentials; it is tried again.",
    reasons.TERMINATED: "It is restarted. " + _LOGS,
    reasons.CRASH_LOOP: _LOGS,
}
"""What to do, by the reason of a pod's trouble."""


@dataclass(frozen=True)
class Obstacle:
    """Why the wanted pods do not come up."""

    reason: str
    message: str
    failure: str = RUNTIME_UNHEALTHY
    """The kind of failure in modelStatus.lastFailureInfo."""
    pod: str | None = None
    revision: str | None = None
    exit_code: int | None = None


def obstacle(live: Manifest, pods: tuple[PodView, ...], meta: Meta) -> Obstacle | None:
    """The newest pod's trouble, else the Deployment's; `live` is the Deployment, empty before it exists."""
    for pod in reversed(pods):
        if pod.trouble:
            return _pod_obstacle(pod, pod.trouble, meta)
    conditions = {entry.get("type"): entry for entry in live.get("status", {}).get("conditions") or ()}
    failure = conditions.get("ReplicaFailure", {})
    if failure.get("status") == "True":
        return Obstacle(
            failure.get("reason", "FailedCreate"),
            _sentences(failure.get("message", ""), "Pods cannot be created; correct what the message names."),
        )
    progress = conditions.get("Progressing", {})
    if progress.get("status") == "False":
        return Obstacle(
            progress.get("reason", "ProgressDeadlineExceeded"),
            _sentences(progress.get("message", ""), f"See `kubectl describe pods -n {meta.namespace}`."),
        )
    return None


def _pod_obstacle(pod: PodView, trouble: Trouble, meta: Meta) -> Obstacle:
    where = f"Pod {pod.name}" + (f", container {trouble.container}" if trouble.container else "")
    advice = _ADVICE.get(trouble.reason, "See `kubectl describe pod -n {namespace} {pod}`.")
    told = advice.format(namespace=meta.namespace, pod=pod.name, container=trouble.container)
    return Obstacle(
        trouble.reason,
        _sentences(f"{where}: {trouble.message}", told),
        failure=MODEL_LOAD_FAILED if trouble.reason in _LOAD_FAILURES else RUNTIME_UNHEALTHY,
        pod=pod.name,
        revision=pod.revision,
        exit_code=trouble.exit_code,
    )


def _sentences(first: str, second: str) -> str:
    text = first.strip()
    return f"{text}{'' if text.endswith('.') else '.'} {second}"


def latest_revision(live: Manifest, pods: tuple[PodView, ...]) -> str | None:
    """Name of the ReplicaSet that is wanted.

    The Deployment tells it in the message of its condition Progressing; before that, it is the newest pod's.
    """
    for entry in live.get("status", {}).get("conditions") or ():
        if entry.get("type") == "Progressing" and (match := _REPLICA_SET.search(entry.get("message", ""))):
            return match[1]
    return pods[-1].revision if pods else None


def target_state(live: Manifest, pods: tuple[PodView, ...], trouble: Obstacle | None) -> ModelStateName:
    """State of what is wanted, which an older revision's pods may still stand in for."""
    latest = latest_revision(live, pods)
    wanted = [pod for pod in pods if pod.revision == latest]
    if any(pod.ready for pod in wanted):
        return "Loaded"
    if trouble:
        return "FailedToLoad"
    return "Loading" if any(pod.initializing for pod in wanted) else "Pending"


def component(live: Manifest, pods: tuple[PodView, ...], url: str) -> ComponentStatus:
    """Revisions and traffic; at least one of `pods` is ready."""
    ready = Counter(pod.revision for pod in pods if pod.ready)
    created = latest_revision(live, pods)
    serving = created if created in ready else next(pod.revision for pod in reversed(pods) if pod.ready)
    share = round(100 * ready[serving] / ready.total())
    traffic = [TrafficTarget(latest_revision=True, percent=share, revision_name=serving)]
    others = [revision for revision, _ in ready.most_common() if revision != serving]
    if others:
        traffic.append(TrafficTarget(latest_revision=False, percent=100 - share, revision_name=others[0], tag="prev"))
    return ComponentStatus(
        url=url, latest_created_revision=created, latest_ready_revision=serving, traffic=tuple(traffic)
    )


def failure_info(trouble: Obstacle, before: Mapping[str, Any], now: datetime) -> FailureInfo:
    """The failure for modelStatus; its time stays the same while the failure does."""
    made = FailureInfo.model_validate(
        {
            "location": trouble.pod,
            "reason": trouble.failure,
            "message": trouble.message,
            "model_revision_name": trouble.revision,
            "exit_code": trouble.exit_code,
        }
    )
    old = dict((before.get("modelStatus") or {}).get("lastFailureInfo") or {})
    since = old.pop("time", None)
    return made.model_copy(update={"time": since if since and old == made.to_wire() else timestamp(now)})
