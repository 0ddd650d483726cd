"""What a pod says of itself: read once, into a value, from the manifest that the watch showed."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mooring_api import names
from mooring_operator.core.observed import Manifest

IMAGE_PULL = "ImagePullBackOff"
TERMINATED = "ContainerTerminated"
CRASH_LOOP = "CrashLoopBackOff"
OUT_OF_MEMORY = "OOMKilled"
INITIALIZER_FAILED = "ModelLoadFailed"
UNSCHEDULABLE = "Unschedulable"
_WAITING = {
    # kubelet alternates between the first two; one name for both keeps the status still
    "ErrImagePull": IMAGE_PULL,
    "ImagePullBackOff": IMAGE_PULL,
    "InvalidImageName": "InvalidImageName",
    "ErrImageNeverPull": "ErrImageNeverPull",
    "CreateContainerConfigError": "CreateContainerConfigError",
    "CreateContainerError": "CreateContainerError",
    "RunContainerError": "RunContainerError",
}
_PULL_PREFIX = re.compile(r'^(Back-off pulling image "[^"]*"(: )?|ErrImagePull: )+')
_TEXT_LIMIT = 600


@dataclass(frozen=True)
class Trouble:
    """Why a pod does not get ready, in a form that stays the same while kubelet retries."""

    pod: str
    container: str
    """Empty when it concerns the whole pod."""
    reason: str
    message: str
    exit_code: int | None = None


@dataclass(frozen=True)
class PodView:
    """A pod that is neither finished nor on its way out."""

    name: str
    uid: str
    revision: str | None
    """Name of its ReplicaSet."""
    ready: bool
    running: bool
    has_agent: bool
    claims: frozenset[str]
    """PersistentVolumeClaims that it mounts."""
    initializing: bool
    """Its storage-initializer runs."""
    trouble: Trouble | None


def pod_views(pods: Iterable[Manifest]) -> tuple[PodView, ...]:
    """The pods that count, in the order given (oldest first)."""
    return tuple(_view(pod) for pod in pods if _counts(pod))


def _counts(pod: Manifest) -> bool:
    finished = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not finished and "deletionTimestamp" not in pod["metadata"]


def _view(pod: Manifest) -> PodView:
    meta, spec, status = pod["metadata"], pod.get("spec", {}), pod.get("status", {})
    owners = [owner["name"] for owner in meta.get("ownerReferences") or () if owner.get("kind") == "ReplicaSet"]
    ready = _condition(status, "Ready").get("status") == "True"
    return PodView(
        name=meta["name"],
        uid=meta.get("uid", ""),
        revision=owners[0] if owners else None,
        ready=ready,
        running=status.get("phase") == "Running",
        has_agent=any(entry["name"] == names.CONTAINER_AGENT for entry in spec.get("containers") or ()),
        claims=frozenset(_claims(spec)),
        initializing=any(
            entry["name"] == names.CONTAINER_INITIALIZER and "running" in entry.get("state", {})
            for entry in status.get("initContainerStatuses") or ()
        ),
        trouble=None if ready else _trouble(meta["name"], status),
    )


def _claims(spec: Manifest) -> Iterator[str]:
    for volume in spec.get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            yield claim["claimName"]


def _condition(status: Mapping[str, object], kind: str) -> Manifest:
    conditions = status.get("conditions")
    for condition in conditions if isinstance(conditions, list) else ():
        if condition.get("type") == kind:
            return dict(condition)
    return {}


def _trouble(pod: str, status: Manifest) -> Trouble | None:
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == UNSCHEDULABLE:
        return Trouble(pod, "", UNSCHEDULABLE, _shortened(scheduled.get("message", "")))
    for entry in status.get("initContainerStatuses") or ():
        if found := _container_trouble(pod, entry, init=True):
            return found
    for entry in status.get("containerStatuses") or ():
        if found := _container_trouble(pod, entry, init=False):
            return found
    return None


def _container_trouble(pod: str, entry: Manifest, *, init: bool) -> Trouble | None:
    state = entry.get("state", {})
    waiting = state.get("waiting", {})
    if reason := _WAITING.get(waiting.get("reason")):
        text = _PULL_PREFIX.sub("", waiting.get("message", "")) or f"image {entry.get('image', '')}"
        return Trouble(pod, entry["name"], reason, _shortened(text))
    if entry.get("ready"):
        return None
    ended = state.get("terminated") or entry.get("lastState", {}).get("terminated")
    if not ended or (init and ended.get("exitCode") == 0):
        return None
    code = ended.get("exitCode")
    text = _shortened(ended.get("message", "").strip())
    said = f"exited with status {code}" + (f": {text}" if text else "")
    return Trouble(pod, entry["name"], _crash_reason(entry, ended), said, code)


def _crash_reason(entry: Manifest, ended: Manifest) -> str:
    if ended.get("reason") == OUT_OF_MEMORY:
        return OUT_OF_MEMORY
    if entry["name"] == names.CONTAINER_INITIALIZER:
        return INITIALIZER_FAILED
    # The first end of a container may have been somebody's wish; from the second on it is a loop.
    return CRASH_LOOP if entry.get("restartCount", 0) > 1 else TERMINATED


def _shortened(text: str) -> str:
    if len(text) <= _TEXT_LIMIT:
        return text
    cut, newline, whole_lines = text[-_TEXT_LIMIT:].partition("\n")
    return "… " + (whole_lines if newline else cut)
