"""Who is the active operator."""

from datetime import UTC, datetime, timedelta

import pytest

from mooring_operator.leadership import has_superior, priority_at

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def peer(priority: int, seen: datetime = NOW, lifetime: int = 20) -> dict[str, object]:
    return {"priority": priority, "lastseen": seen.isoformat(), "lifetime": lifetime}


def test_the_older_process_has_the_higher_priority() -> None:
    names = [f"mooring-operator-5d654c9788-{suffix}" for suffix in ("2jqp5", "w8hlg", "66rsz", "wg9lf")]
    later = NOW + timedelta(milliseconds=1)
    assert min(priority_at(NOW, name) for name in names) > max(priority_at(later, name) for name in names)


def test_processes_of_one_moment_have_different_priorities_of_64_bits() -> None:
    priorities = {priority_at(NOW, f"mooring-operator-5d654c9788-{suffix}") for suffix in ("2jqp5", "w8hlg")}
    assert len(priorities) == 2
    assert all(-(2**63) < priority < 0 for priority in priorities)


@pytest.mark.parametrize(
    ("peers", "expected"),
    [
        pytest.param({}, False, id="alone"),
        pytest.param({"me": peer(99)}, False, id="only myself"),
        pytest.param({"other": peer(6)}, True, id="a higher one lives"),
        pytest.param({"other": peer(4)}, False, id="a lower one lives"),
        pytest.param({"other": peer(6, NOW - timedelta(seconds=30))}, False, id="a higher one died"),
        pytest.param({"other": {"priority": 6, "lastseen": "2026-11-21T11:59:59"}}, True, id="no zone, no lifetime"),
        pytest.param({"other": None}, False, id="removed"),
    ],
)
def test_superiors_are_live_peers_of_higher_priority(peers: dict[str, object], expected: bool) -> None:
    assert has_superior({"status": peers}, "me", 5, NOW) is expected


def test_a_new_peering_object_has_no_status() -> None:
    assert has_superior({}, "me", 5, NOW) is False
