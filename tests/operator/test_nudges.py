from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from mooring_api.agent_status import AgentStatus
from mooring_operator.core.nudges import nudges, wait_s
from mooring_operator.core.observed import AgentReport, Manifest, Nudge
from mooring_operator.core.pods import pod_views

OLD, NEW = "0" * 64, "abcdef0123456789" * 4
Build = Callable[..., Manifest]
Report = Callable[..., AgentReport]


def test_an_agent_that_follows_an_older_list_is_nudged_at_once(pod: Build, report: Report, now: datetime) -> None:
    due, again = nudges("ns", pod_views([pod("p")]), {"uid-p": report(OLD)}, {}, NEW, now)
    assert [(nudge.pod, nudge.uid, nudge.value, nudge.record) for nudge in due] == [
        ("p", "uid-p", "abcdef012345.1", Nudge(NEW, 1, now.timestamp()))
    ]
    assert again == pytest.approx(0.3)


def test_it_is_nudged_again_with_back_off_until_it_follows(pod: Build, report: Report, now: datetime) -> None:
    pods, agents = pod_views([pod("p")]), {"uid-p": report(OLD)}
    last = {"uid-p": Nudge(NEW, 2, now.timestamp())}
    early, wait = nudges("ns", pods, agents, last, NEW, now + timedelta(seconds=0.5))
    late, after = nudges("ns", pods, agents, last, NEW, now + timedelta(seconds=0.7))
    assert early == ()
    assert wait == pytest.approx(0.1)
    assert [nudge.value for nudge in late] == ["abcdef012345.3"]
    assert after == pytest.approx(1.2)
    assert nudges("ns", pods, {"uid-p": report(NEW)}, last, NEW, now) == ((), None)


def test_a_newer_list_starts_the_count_anew(pod: Build, report: Report, now: datetime) -> None:
    last = {"uid-p": Nudge(OLD, 9, now.timestamp())}
    due, _ = nudges("ns", pod_views([pod("p")]), {"uid-p": report("1" * 64)}, last, NEW, now)
    assert due[0].record.count == 1


def test_nobody_is_nudged_who_reads_the_list_anyway_or_says_nothing(pod: Build, report: Report, now: datetime) -> None:
    starting = pod("starting", phase="Pending", ready=False)
    without = pod("without", agent=False)
    pods = pod_views([starting, without, pod("silent"), pod("gone"), pod("fresh")])
    agents = {
        "uid-starting": report(OLD),
        "uid-without": report(OLD),
        "uid-gone": AgentReport(None, "refused"),
        "uid-fresh": report(None),
    }
    assert nudges("ns", pods, agents, {}, NEW, now) == ((), None)


def test_an_agent_whose_first_list_was_broken_is_nudged(pod: Build, now: datetime) -> None:
    broken = AgentReport(AgentStatus(revision=1, instance="i", config_error="not JSON"))
    due, _ = nudges("ns", pod_views([pod("p")]), {"uid-p": broken}, {}, NEW, now)
    assert len(due) == 1


def test_the_wait_doubles_up_to_half_a_minute() -> None:
    assert [wait_s(count) for count in (1, 2, 3, 50)] == pytest.approx([0.3, 0.6, 1.2, 30.0])
