from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from mooring_operator.core.observed import Manifest, Meta
from mooring_operator.core.pods import pod_views
from mooring_operator.core.rollout import Obstacle, component, failure_info, latest_revision, obstacle, target_state

Build = Callable[..., Manifest]
META = Meta("svc", "ns")
CRASH = {
    "containerStatuses": [
        {"name": "kserve-container", "restartCount": 3, "lastState": {"terminated": {"exitCode": 2, "message": "no."}}}
    ]
}


def _live(**condition: str) -> Manifest:
    return {"status": {"conditions": [{"type": "Available", "status": "False"}, condition]}}


def _progressing(revision: str) -> Manifest:
    return _live(type="Progressing", status="True", message=f'ReplicaSet "{revision}" is progressing.')


def test_the_newest_pods_trouble_is_told_with_what_to_do(pod: Build) -> None:
    pods = pod_views([pod("old", ready=False, **CRASH), pod("new", ready=False, **CRASH), pod("fine")])
    found = obstacle({}, pods, META)
    assert found is not None
    assert (found.pod, found.reason, found.failure, found.exit_code) == (
        "new",
        "CrashLoopBackOff",
        "ModelLoadFailed",
        2,
    )
    assert found.message == (
        "Pod new, container kserve-container: exited with status 2: no. "
        "See `kubectl logs -n ns new -c kserve-container --previous`."
    )


def test_a_pods_trouble_may_concern_the_whole_pod_or_be_unusual(pod: Build) -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no nodes"}
    stuck = obstacle({}, pod_views([pod("p", ready=False, conditions=[scheduled])]), META)
    waiting = {"name": "k", "state": {"waiting": {"reason": "CreateContainerError", "message": "odd"}}}
    odd = obstacle({}, pod_views([pod("p", ready=False, containerStatuses=[waiting])]), META)
    assert stuck is not None
    assert odd is not None
    assert stuck.message.startswith("Pod p: no nodes. Lower resources.requests")
    assert (stuck.failure, odd.failure) == ("RuntimeUnhealthy", "RuntimeUnhealthy")
    assert odd.message == "Pod p, container k: odd. See `kubectl describe pod -n ns p`."


@pytest.mark.parametrize(
    ("live", "reason"),
    [
        (_live(type="ReplicaFailure", status="True", reason="FailedCreate", message="exceeded quota"), "FailedCreate"),
        (_live(type="ReplicaFailure", status="True"), "FailedCreate"),
        (_live(type="Progressing", status="False", reason="ProgressDeadlineExceeded"), "ProgressDeadlineExceeded"),
        (_live(type="Progressing", status="True"), None),
        ({}, None),
    ],
    ids=["failed-create", "without-words", "deadline", "progressing", "none"],
)
def test_without_a_pods_trouble_the_deployments_own_is_told(live: Manifest, reason: str | None) -> None:
    found = obstacle(live, (), META)
    assert (found.reason if found else None) == reason


def test_the_wanted_revision_is_the_deployments_word_or_the_newest_pods(pod: Build) -> None:
    pods = pod_views([pod("a", revision="r1"), pod("b", revision="r2")])
    assert latest_revision(_progressing("r3"), pods) == "r3"
    assert latest_revision(_live(type="Progressing", status="True", message="?"), pods) == "r2"
    assert latest_revision({}, ()) is None


def test_all_traffic_goes_to_the_only_revision(pod: Build) -> None:
    made = component(_progressing("r1"), pod_views([pod("a", revision="r1"), pod("b", revision="r1")]), "http://u")
    assert made.to_wire() == {
        "url": "http://u",
        "latestCreatedRevision": "r1",
        "latestReadyRevision": "r1",
        "traffic": [{"latestRevision": True, "percent": 100, "revisionName": "r1"}],
    }


def test_the_previous_revision_has_the_share_of_its_ready_pods(pod: Build) -> None:
    pods = pod_views([pod("a", revision="r1"), pod("b", revision="r1"), pod("c", revision="r2")])
    made = component(_progressing("r2"), pods, "u")
    assert [(target.revision_name, target.percent, target.tag) for target in made.traffic] == [
        ("r2", 33, None),
        ("r1", 67, "prev"),
    ]


def test_while_the_new_revision_is_not_ready_the_old_one_is_the_ready_one(pod: Build) -> None:
    pods = pod_views([pod("a", revision="r1"), pod("b", revision="r2", ready=False)])
    made = component(_progressing("r2"), pods, "u")
    assert (made.latest_created_revision, made.latest_ready_revision) == ("r2", "r1")
    assert [target.percent for target in made.traffic] == [100]


@pytest.mark.parametrize(
    ("fields", "trouble", "state"),
    [
        ({}, None, "Loaded"),
        ({"ready": False}, None, "Pending"),
        ({"ready": False}, Obstacle("x", "m"), "FailedToLoad"),
        (
            {"ready": False, "initContainerStatuses": [{"name": "storage-initializer", "state": {"running": {}}}]},
            None,
            "Loading",
        ),
    ],
    ids=["ready", "pending", "failed", "initializing"],
)
def test_the_wanted_revisions_pods_tell_the_target_state(
    pod: Build, fields: Manifest, trouble: Obstacle | None, state: str
) -> None:
    old = pod("old", revision="r0")
    pods = pod_views([old, pod("new", **fields)])
    assert target_state(_progressing("svc-predictor-1"), pods, trouble) == state


def test_a_failure_keeps_its_time_while_it_is_the_same(now: datetime) -> None:
    trouble = Obstacle("x", "message", pod="p", exit_code=1)
    first = failure_info(trouble, {}, now)
    before = {"modelStatus": {"lastFailureInfo": first.to_wire()}}
    later = now + timedelta(minutes=5)
    assert failure_info(trouble, before, later) == first
    assert failure_info(Obstacle("x", "other"), before, later).time == "2026-11-21T12:05:00Z"
