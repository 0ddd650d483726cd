"""Conditions: built, kept still while nothing changes, and compared for events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mooring_api.base import Condition

READY = "Ready"


@dataclass(frozen=True)
class Finding:
    """What one condition is to say; `status` None means unknown."""

    type: str
    status: bool | None
    reason: str | None = None
    message: str | None = None
    informs: bool = False
    """Whether Ready does not depend on it."""


def timestamp(now: datetime) -> str:
    """RFC 3339 in seconds, as Kubernetes writes it."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def with_ready(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """`findings` and Ready, which takes the word of the first unhappy one: a False before an unknown."""
    given = tuple(findings)
    dependents = [finding for finding in given if not finding.informs]
    unhappy = sorted((f for f in dependents if f.status is not True), key=lambda f: f.status is None)
    if not unhappy:
        return (*given, Finding(READY, True))
    return (*given, Finding(READY, unhappy[0].status, unhappy[0].reason, unhappy[0].message))


def conditions(findings: Iterable[Finding], before: Mapping[str, Any], now: datetime) -> tuple[Condition, ...]:
    """Conditions sorted by type; lastTransitionTime stays as `before` (the old status) has it unless status changed."""
    old = {entry.get("type"): entry for entry in before.get("conditions") or ()}
    made = (_condition(finding, old.get(finding.type, {}), now) for finding in findings)
    return tuple(sorted(made, key=lambda condition: condition.type))


def _condition(finding: Finding, old: Mapping[str, Any], now: datetime) -> Condition:
    status = {True: "True", False: "False", None: "Unknown"}[finding.status]
    same = old.get("status") == status and old.get("lastTransitionTime")
    return Condition(
        type=finding.type,
        status=status,
        severity="Info" if finding.informs else None,
        last_transition_time=old["lastTransitionTime"] if same else timestamp(now),
        reason=finding.reason,
        message=finding.message,
    )


@dataclass(frozen=True)
class Transition:
    """The change of Ready between two statuses of an object."""

    ready_before: bool
    ready_after: bool
    reason: str
    """The new reason; empty when ready."""
    message: str
    reason_changed: bool


def transition(before: Mapping[str, Any], after: Mapping[str, Any]) -> Transition:
    """How Ready changed from the old status to the new one (both as the wire has them)."""
    old, new = _ready(before), _ready(after)
    return Transition(
        ready_before=old.get("status") == "True",
        ready_after=new.get("status") == "True",
        reason=new.get("reason", ""),
        message=new.get("message", ""),
        reason_changed=old.get("reason", "") != new.get("reason", ""),
    )


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Iterable[Mapping[str, Any]] = status.get("conditions") or ()
    return next((entry for entry in found if entry.get("type") == READY), {})
