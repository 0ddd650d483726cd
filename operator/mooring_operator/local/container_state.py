"""What is known of a container, and how a Pod's status says it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exit:
    """How a container's last process ended."""

    code: int
    started_at: str
    finished_at: str
    message: str = ""
    """The last lines of its output."""

    @property
    def reason(self) -> str:
        """One word, as kubelet says it."""
        return {0: "Completed", 137: "Killed"}.get(self.code, "Error")

    def to_wire(self) -> dict[str, Any]:
        """As in `state.terminated`."""
        return {
            "exitCode": self.code,
            "reason": self.reason,
            "message": self.message,
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
        }


@dataclass(frozen=True)
class ContainerState:
    """Waiting (with a reason), running (`running_since` is set) or ended for good (`done`)."""

    name: str
    image: str
    waiting_reason: str = "ContainerCreating"
    waiting_message: str = ""
    running_since: str = ""
    done: bool = False
    ready: bool = False
    restarts: int = 0
    last_exit: Exit | None = None

    def to_wire(self) -> dict[str, Any]:
        """As in `status.containerStatuses`."""
        status: dict[str, Any] = {
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "ready": self.ready,
            "started": bool(self.running_since),
            "restartCount": self.restarts,
            "state": self._state(),
            "lastState": {},
        }
        if self.last_exit is not None and not self.done:
            status["lastState"] = {"terminated": self.last_exit.to_wire()}
        return status

    def _state(self) -> dict[str, Any]:
        if self.done and self.last_exit is not None:
            return {"terminated": self.last_exit.to_wire()}
        if self.running_since:
            return {"running": {"startedAt": self.running_since}}
        message = {"message": self.waiting_message} if self.waiting_message else {}
        return {"waiting": {"reason": self.waiting_reason} | message}


def pod_status(
    inits: Sequence[ContainerState],
    containers: Sequence[ContainerState],
    previous: Mapping[str, Any],
    now: str,
) -> dict[str, Any]:
    """A Pod's status, with the conditions by which a cluster (and our own core) judges it."""
    initialized = all(state.done for state in inits)
    ready = initialized and all(state.ready for state in containers)
    unready = [state.name for state in containers if not state.ready]
    why = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(unready)}]"}
    wanted: list[tuple[str, bool, dict[str, str]]] = [
        ("Initialized", initialized, {"reason": "ContainersNotInitialized"}),
        ("Ready", ready, why),
        ("ContainersReady", ready, why),
        ("PodScheduled", True, {}),
    ]
    begun = initialized and any(state.running_since or state.restarts for state in containers)
    before = {condition["type"]: condition for condition in previous.get("conditions") or ()}
    status: dict[str, Any] = {
        "phase": "Running" if begun else "Pending",
        "conditions": [_condition(name, met, why_not, before.get(name, {}), now) for name, met, why_not in wanted],
        "podIP": "127.0.0.1",
        "hostIP": "127.0.0.1",
        "startTime": previous.get("startTime", now),
        "containerStatuses": [state.to_wire() for state in containers],
    }
    if inits:
        status["initContainerStatuses"] = [state.to_wire() for state in inits]
    return status


def _condition(name: str, met: bool, why_not: Mapping[str, str], before: Mapping[str, Any], now: str) -> dict[str, Any]:
    status = "True" if met else "False"
    since = before["lastTransitionTime"] if before.get("status") == status else now
    return {"type": name, "status": status, "lastTransitionTime": since} | ({} if met else dict(why_not))
