"""Events: one for each transition, told by comparing the old status with the new, so that none is ever repeated."""

from collections.abc import Mapping
from typing import Any

from mooring_operator.core.checks import SERVICE_NOT_FOUND
from mooring_operator.core.conditions import transition
from mooring_operator.core.model_status import AGENT_UNREACHABLE, PENDING, SERVICE_NOT_READY
from mooring_operator.core.plan import Event, Ref
from mooring_operator.core.service_status import WAITING_REASON

_WAITING = frozenset(
    {WAITING_REASON, SERVICE_NOT_READY, SERVICE_NOT_FOUND, AGENT_UNREACHABLE, PENDING, "Downloading", "Loading", ""}
)
"""Reasons that pass by themselves: no event, unless the object was ready before."""


def status_event(ref: Ref, before: Mapping[str, Any], after: Mapping[str, Any]) -> Event | None:
    """The event about the change of Ready, or of the reason why it is not; None when nobody needs to be told."""
    change = transition(before, after)
    if change.ready_after:
        return None if change.ready_before else Event(ref, "Normal", f"{ref.kind}Ready", f"{ref.kind} is ready")
    waits = change.reason in _WAITING
    if change.ready_before:
        kind = "Normal" if waits and ref.kind == "TrainedModel" else "Warning"
        return Event(ref, kind, f"{ref.kind}NotReady" if waits else change.reason, change.message)
    if waits or not change.reason_changed:
        return None
    return Event(ref, "Warning", change.reason, change.message)
