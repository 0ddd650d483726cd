from collections.abc import Callable

import pytest

from mooring_operator.core.observed import Manifest
from mooring_operator.core.pods import Trouble, pod_views

Build = Callable[..., Manifest]


def _waiting(reason: str, message: str = "", name: str = "kserve-container") -> Manifest:
    return {"name": name, "state": {"waiting": {"reason": reason, "message": message}}, "ready": False}


def _ended(name: str = "kserve-container", restarts: int = 0, **ended: object) -> Manifest:
    return {"name": name, "state": {}, "lastState": {"terminated": ended}, "restartCount": restarts, "ready": False}


def _trouble(pod: Manifest) -> Trouble | None:
    return pod_views([pod])[0].trouble


def test_a_ready_pod_is_read_with_what_matters(pod: Build) -> None:
    manifest = pod("p", claims=["c"])
    manifest["spec"]["volumes"].append({"name": "scratch", "emptyDir": {}})
    view = pod_views([manifest])[0]
    assert (view.name, view.uid, view.revision) == ("p", "uid-p", "svc-predictor-1")
    assert (view.ready, view.running, view.has_agent, view.claims) == (True, True, True, frozenset({"c"}))
    assert (view.initializing, view.trouble) == (False, None)


def test_a_pod_that_was_just_made_is_waited_for() -> None:
    view = pod_views([{"metadata": {"name": "p"}}])[0]
    assert (view.ready, view.running, view.has_agent, view.revision, view.trouble) == (False, False, False, None, None)


def test_pods_that_are_done_or_leaving_do_not_count(pod: Build) -> None:
    leaving = pod("c")
    leaving["metadata"]["deletionTimestamp"] = "now"
    assert pod_views([pod("a", phase="Failed"), pod("b", phase="Succeeded"), leaving]) == ()


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
                ]
            },
            "Unschedulable",
            "0/1 nodes",
        ),
        ({"containerStatuses": [_waiting("ErrImagePull", "not found")]}, "ImagePullBackOff", "not found"),
        (
            {
                "containerStatuses": [
                    _waiting("ImagePullBackOff", 'Back-off pulling image "x": ErrImagePull: not found')
                ]
            },
            "ImagePullBackOff",
            "not found",
        ),
        (
            {"containerStatuses": [_waiting("ImagePullBackOff", 'Back-off pulling image "x"') | {"image": "x"}]},
            "ImagePullBackOff",
            "image x",
        ),
        (
            {"containerStatuses": [_waiting("CreateContainerConfigError", "secret not found")]},
            "CreateContainerConfigError",
            "secret not found",
        ),
        (
            {"containerStatuses": [_ended(exitCode=1, reason="Error", message="boom\n")]},
            "ContainerTerminated",
            "exited with status 1: boom",
        ),
        ({"containerStatuses": [_ended(restarts=2, exitCode=0)]}, "CrashLoopBackOff", "exited with status 0"),
        (
            {"containerStatuses": [_ended(restarts=9, exitCode=137, reason="OOMKilled")]},
            "OOMKilled",
            "exited with status 137",
        ),
        (
            {"initContainerStatuses": [_ended("storage-initializer", exitCode=1, message="no bucket")]},
            "ModelLoadFailed",
            "exited with status 1: no bucket",
        ),
    ],
)
def test_trouble_has_one_reason_that_stays_while_kubelet_retries(
    pod: Build, status: Manifest, reason: str, message: str
) -> None:
    trouble = _trouble(pod(ready=False, **status))
    assert trouble is not None
    assert (trouble.reason, trouble.message) == (reason, message)


@pytest.mark.parametrize(
    "status",
    [
        {
            "containerStatuses": [
                _waiting("ContainerCreating"),
                {"name": "agent", "state": {"running": {}}, "ready": True},
            ]
        },
        {"initContainerStatuses": [{"name": "storage-initializer", "state": {"terminated": {"exitCode": 0}}}]},
        {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]},
    ],
    ids=["creating", "initialized", "gated"],
)
def test_a_pod_on_its_way_has_no_trouble(pod: Build, status: Manifest) -> None:
    assert _trouble(pod(ready=False, **status)) is None


def test_a_running_initializer_is_seen(pod: Build) -> None:
    entry = {"name": "storage-initializer", "state": {"running": {}}}
    assert pod_views([pod(ready=False, initContainerStatuses=[entry])])[0].initializing


def test_long_messages_keep_their_end(pod: Build) -> None:
    trouble = _trouble(pod(ready=False, containerStatuses=[_ended(exitCode=1, message="x" * 5000 + "cause")]))
    assert trouble is not None
    assert len(trouble.message) < 700
    assert trouble.message.endswith("cause")


def test_long_messages_begin_with_a_whole_line(pod: Build) -> None:
    lines = "\n".join(f"line {number} {'x' * 90}" for number in range(9))
    found = _trouble(pod(ready=False, containerStatuses=[_ended(exitCode=1, message=lines)]))
    assert found is not None
    assert found.message.startswith("exited with status 1: … line 3 x")
    assert found.message.endswith(lines[-90:])
