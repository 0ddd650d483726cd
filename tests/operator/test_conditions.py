from datetime import datetime, timedelta

import pytest

from mooring_operator.core.conditions import Finding, conditions, timestamp, transition, with_ready


@pytest.mark.parametrize(
    ("findings", "ready"),
    [
        ([Finding("A", True), Finding("B", True)], Finding("Ready", True)),
        ([Finding("A", None, "wait", "w"), Finding("B", False, "bad", "b")], Finding("Ready", False, "bad", "b")),
        ([Finding("A", True), Finding("B", None, "wait", "w")], Finding("Ready", None, "wait", "w")),
        ([Finding("A", False, "first"), Finding("B", False, "second")], Finding("Ready", False, "first")),
        ([Finding("A", True), Finding("B", False, informs=True)], Finding("Ready", True)),
    ],
    ids=["all-true", "false-before-unknown", "unknown", "first-false", "informing"],
)
def test_ready_takes_the_word_of_the_first_unhappy_condition(findings: list[Finding], ready: Finding) -> None:
    assert with_ready(findings)[-1] == ready


def test_conditions_are_sorted_and_keep_their_time_while_the_status_stays(now: datetime) -> None:
    first = conditions([Finding("B", True), Finding("A", False, "x")], {}, now)
    before = {"conditions": [condition.to_wire() for condition in first]}
    later = now + timedelta(hours=1)
    second = conditions([Finding("A", False, "y"), Finding("B", None, informs=True)], before, later)
    assert [condition.type for condition in second] == ["A", "B"]
    assert second[0].last_transition_time == timestamp(now)
    assert (second[0].reason, second[0].severity) == ("y", None)
    assert (second[1].status, second[1].severity) == ("Unknown", "Info")
    assert second[1].last_transition_time == timestamp(later) == "2026-11-21T13:00:00Z"


def test_a_transition_tells_both_sides() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    broken = {
        "conditions": [
            {"type": "Other", "status": "True"},
            {"type": "Ready", "status": "False", "reason": "x", "message": "m"},
        ]
    }
    change = transition(ready, broken)
    assert (change.ready_before, change.ready_after, change.reason, change.message) == (True, False, "x", "m")
    assert change.reason_changed
    assert not transition(broken, broken).reason_changed
    assert not transition({}, ready).ready_before
