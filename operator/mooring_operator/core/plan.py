"""What `decide` wants done: the output of the pure core, carried out by `reconcile` in this order.

apply children -> delete children -> adopt TrainedModels -> nudge pods -> write statuses -> emit events -> requeue.
Every part is idempotent: the shell leaves out what the live object already says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mooring_operator.core.observed import Manifest, Nudge


@dataclass(frozen=True, order=True)
class Ref:
    """A Kubernetes object by name."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""


@dataclass(frozen=True)
class Adoption:
    """Labels and the owner reference that a TrainedModel must carry, so that it goes with its InferenceService."""

    ref: Ref
    labels: Mapping[str, str]
    owner: Mapping[str, Any]


@dataclass(frozen=True)
class PodNudge:
    """Patch the pod's `names.ANNOTATION_MODELS_DIGEST` to `value` and remember `record`."""

    namespace: str
    pod: str
    uid: str
    value: str
    record: Nudge


@dataclass(frozen=True)
class StatusWrite:
    """The whole status that an object must show."""

    ref: Ref
    status: Mapping[str, Any]


@dataclass(frozen=True)
class Event:
    """A Kubernetes event about a transition."""

    ref: Ref
    type: str
    """Normal or Warning."""
    reason: str
    message: str


@dataclass(frozen=True)
class Plan:
    """All of it."""

    apply: tuple[Manifest, ...] = ()
    delete: tuple[Ref, ...] = ()
    adopt: tuple[Adoption, ...] = ()
    nudge: tuple[PodNudge, ...] = ()
    statuses: tuple[StatusWrite, ...] = ()
    events: tuple[Event, ...] = ()
    requeue_after_s: float | None = None
    wants_agents: bool = False
    """Whether the pods have agents whose status must be followed."""
