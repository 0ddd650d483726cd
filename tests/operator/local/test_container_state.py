"""A Pod's status says what its containers do."""

from dataclasses import replace
from typing import Any

from mooring_operator.local.container_state import ContainerState, Exit, pod_status

WAITING = ContainerState("c", "img")
RUNNING = replace(WAITING, running_since="t1")
READY = replace(RUNNING, ready=True)
DONE = ContainerState("init", "img", done=True, ready=True, last_exit=Exit(0, "t1", "t2"))
CRASHED = replace(
    WAITING, waiting_reason="CrashLoopBackOff", waiting_message="why", restarts=1, last_exit=Exit(3, "t1", "t2", "last")
)


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in status["conditions"]}


def test_a_pod_is_ready_when_all_its_containers_are() -> None:
    assert conditions(pod_status([], [READY, replace(READY, name="d")], {}, "now"))["Ready"] == "True"
    status = pod_status([], [READY, replace(RUNNING, name="d")], {}, "now")
    assert conditions(status)["Ready"] == "False"
    assert "[d]" in status["conditions"][1]["message"]


def test_a_pod_is_pending_until_its_init_containers_are_done() -> None:
    pending = pod_status([replace(WAITING, name="init")], [WAITING], {}, "now")
    assert (pending["phase"], conditions(pending)["Initialized"]) == ("Pending", "False")
    running = pod_status([DONE], [RUNNING], {}, "now")
    assert (running["phase"], conditions(running)["Initialized"]) == ("Running", "True")


def test_a_crash_is_told_with_exit_status_and_last_lines() -> None:
    container = pod_status([], [CRASHED], {}, "now")["containerStatuses"][0]
    assert container["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "why"}}
    assert container["lastState"]["terminated"] == {
        "exitCode": 3,
        "reason": "Error",
        "message": "last",
        "startedAt": "t1",
        "finishedAt": "t2",
    }
    assert container["restartCount"] == 1


def test_conditions_keep_the_time_of_their_last_change() -> None:
    first = pod_status([], [RUNNING], {}, "one")
    second = pod_status([], [RUNNING], first, "two")
    third = pod_status([], [READY], second, "three")
    times = [{c["type"]: c["lastTransitionTime"] for c in s["conditions"]}["Ready"] for s in (first, second, third)]
    assert times == ["one", "one", "three"]
    assert third["startTime"] == "one"
