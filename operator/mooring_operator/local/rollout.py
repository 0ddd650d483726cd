"""How a Deployment's pods follow its template: pure arithmetic, with Kubernetes' own rules and words."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mooring_operator.core.observed import Manifest
from mooring_operator.local.objects import timestamp

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' `rand.SafeEncodeString`: no vowels, so that no word appears in a name."""
PROGRESS_DEADLINE_S = 600


@dataclass(frozen=True)
class PodView:
    """What a rollout needs to know of a pod."""

    name: str
    revision: str
    ready: bool
    terminating: bool
    created: str = ""


@dataclass(frozen=True)
class Rollout:
    """The next step: how many pods of the newest revision to make and which pods to end."""

    create: int = 0
    delete: tuple[str, ...] = ()


def revision_of(template: Mapping[str, Any]) -> str:
    """The pod-template hash: equal templates give equal names."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:10])


def suffix_of(number: int) -> str:
    """Five letters for a pod's name."""
    return "".join(_ALPHABET[number // len(_ALPHABET) ** place % len(_ALPHABET)] for place in range(5))


def plan_rollout(replicas: int, strategy: Mapping[str, Any], revision: str, pods: Sequence[PodView]) -> Rollout:
    """The next step towards `replicas` ready pods of `revision`.

    Rolling update: never more than replicas + maxSurge pods, and a ready pod goes only while replicas - maxUnavailable
    stay ready (both 25 % by default: surge rounds up, unavailable down).
    """
    alive = [pod for pod in pods if not pod.terminating]
    new = [pod for pod in alive if pod.revision == revision]
    old = [pod for pod in alive if pod.revision != revision]
    if strategy.get("type") == "Recreate":
        leftovers = [pod for pod in pods if pod.revision != revision]
        missing = 0 if leftovers else max(0, replicas - len(new))
        return Rollout(missing, (*(pod.name for pod in old), *_surplus(new, replicas)))
    rolling = strategy.get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", "25%"), replicas, math.ceil)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), replicas, math.floor)
    if surge == unavailable == 0:
        unavailable = 1
    create = max(0, min(replicas - len(new), replicas + surge - len(alive)))
    spare = sum(pod.ready for pod in alive) - (replicas - unavailable)
    unready_old = [pod.name for pod in old if not pod.ready]
    ready_old = [pod.name for pod in sorted(old, key=_age) if pod.ready]
    return Rollout(create, (*unready_old, *ready_old[: max(0, spare)], *_surplus(new, replicas)))


def _surplus(pods: Sequence[PodView], replicas: int) -> tuple[str, ...]:
    """Pods beyond `replicas`: those not ready first, then the newest."""
    by_worth = sorted(sorted(pods, key=_age, reverse=True), key=lambda pod: pod.ready)
    return tuple(pod.name for pod in by_worth[: max(0, len(pods) - replicas)])


def _age(pod: PodView) -> tuple[str, str]:
    return pod.created, pod.name


def _share(value: int | str, replicas: int, round_: Any) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return int(round_(replicas * int(value[:-1]) / 100))
    return int(value)


def deployment_status(
    deployment: Manifest, replicas: int, revision: str, pods: Sequence[PodView], now: datetime
) -> dict[str, Any]:
    """The status of a Deployment, conditions as kube-controller-manager writes them."""
    alive = [pod for pod in pods if not pod.terminating]
    updated = [pod for pod in alive if pod.revision == revision]
    ready = sum(pod.ready for pod in alive)
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    unavailable_allowed = _share(rolling.get("maxUnavailable", "25%"), replicas, math.floor)
    available = ready >= replicas - unavailable_allowed
    previous = deployment.get("status") or {}
    counts = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": len(alive),
        "updatedReplicas": len(updated),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": max(0, replicas - ready),
    }
    complete = len(updated) == len(alive) == replicas and ready == replicas
    progressed = any(counts[key] != previous.get(key) for key in counts)
    conditions = [
        _available(available),
        _progressing(deployment, revision, complete=complete, progressed=progressed, now=now),
    ]
    before = {condition["type"]: condition for condition in previous.get("conditions") or ()}
    dated = [_dated(condition, before.get(condition["type"]), now, progressed=progressed) for condition in conditions]
    return counts | {"conditions": dated}


def _available(available: bool) -> dict[str, Any]:
    if available:
        return _condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    return _condition(
        "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    )


def _progressing(
    deployment: Manifest, revision: str, *, complete: bool, progressed: bool, now: datetime
) -> dict[str, Any]:
    name = f"{deployment['metadata']['name']}-{revision}"
    if complete:
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return _condition("Progressing", "True", "NewReplicaSetAvailable", message)
    if not progressed and deadline_of(deployment) <= now:
        message = f'ReplicaSet "{name}" has timed out progressing.'
        return _condition("Progressing", "False", "ProgressDeadlineExceeded", message)
    return _condition("Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')


def deadline_of(deployment: Manifest) -> datetime:
    """When a rollout that makes no progress has failed (counted from the last progress)."""
    conditions = (deployment.get("status") or {}).get("conditions") or ()
    last = next((c["lastUpdateTime"] for c in conditions if c["type"] == "Progressing"), None)
    if last is None:
        return datetime.max.replace(tzinfo=UTC)
    seconds = deployment["spec"].get("progressDeadlineSeconds") or PROGRESS_DEADLINE_S
    return datetime.fromtimestamp(datetime.fromisoformat(last).timestamp() + seconds, UTC)


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _dated(
    condition: dict[str, Any], before: Mapping[str, Any] | None, now: datetime, *, progressed: bool
) -> dict[str, Any]:
    """With the times of the last change of status and of the last progress."""
    stamp = timestamp(now)
    if before is None:
        return condition | {"lastTransitionTime": stamp, "lastUpdateTime": stamp}
    same_status = before["status"] == condition["status"]
    unchanged = not progressed and all(before[key] == condition[key] for key in condition)
    return condition | {
        "lastTransitionTime": before["lastTransitionTime"] if same_status else stamp,
        "lastUpdateTime": before["lastUpdateTime"] if unchanged else stamp,
    }
