"""The objects of one namespace: changed with kubectl, read through the API, waited for with a deadline."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from e2e.kube import API, Cluster, Completed, Manifest, plural, until

T = TypeVar("T")
OPERATOR_LABEL = "app.kubernetes.io/name=mooring"


@dataclass(frozen=True)
class Namespace:
    """The objects of one namespace, as a user sees and changes them."""

    cluster: Cluster
    name: str

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl in this namespace, which must succeed; its output."""
        return self.cluster.kubectl("-n", self.name, *args, stdin=stdin)

    def attempt(self, *args: str, stdin: str | None = None) -> Completed:
        """Run kubectl in this namespace; whatever comes of it."""
        return self.cluster.run("kubectl", "-n", self.name, *args, stdin=stdin)

    def apply(self, *manifests: Manifest) -> None:
        """`kubectl apply -f -` of all of them at once."""
        self.kubectl("apply", "-f", "-", stdin=as_list(manifests))

    def create(self, *manifests: Manifest) -> None:
        """`kubectl create -f -`: no annotation and one request each, for hundreds of objects."""
        self.kubectl("create", "-f", "-", stdin=as_list(manifests))

    def refused(self, *manifests: Manifest) -> str:
        """`kubectl apply` of something that must be refused; what kubectl says."""
        done = self.attempt("apply", "-f", "-", stdin=as_list(manifests))
        assert done.status != 0, f"kubectl accepted what it must refuse: {done.out}"
        return done.err

    def delete(self, kind: str, name: str) -> None:
        """`kubectl delete`, which waits until the object is gone."""
        self.kubectl("delete", kind, name)

    def find(self, kind: str, name: str) -> Manifest | None:
        """An object; None when there is none."""
        return self.cluster.read(f"/{API[kind]}/namespaces/{self.name}/{plural(kind)}/{name}")

    def get(self, kind: str, name: str) -> Manifest:
        """An object that must exist."""
        found = self.find(kind, name)
        assert found is not None, f"{kind} {self.name}/{name} does not exist"
        return found

    def all(self, kind: str, selector: str = "") -> list[Manifest]:
        """All objects of a kind, or those with a label."""
        query = f"?labelSelector={selector}" if selector else ""
        found = self.cluster.read(f"/{API[kind]}/namespaces/{self.name}/{plural(kind)}{query}") or {}
        items: list[Manifest] = found.get("items", [])
        return items

    def until(self, what: str, probe: Callable[[], T | None], timeout_s: float = 60) -> T:
        """Poll until `probe` gives something true; a failure shows the namespace's state."""
        return until(what, probe, timeout_s, self.explain)

    def condition(self, kind: str, name: str, condition: str = "Ready") -> Manifest:
        """A status condition; empty when it is not there."""
        found = self.find(kind, name) or {}
        listed = found.get("status", {}).get("conditions", [])
        return next((entry for entry in listed if entry["type"] == condition), {})

    def until_ready(self, kind: str, *names: str, timeout_s: float = 60) -> None:
        """Wait until each object is Ready for its present generation."""
        for name in names:
            self.until(f"{kind} {name} Ready", lambda name=name: self.is_ready(kind, name), timeout_s)  # type: ignore[misc]  # a default binds the loop's name

    def is_ready(self, kind: str, name: str) -> bool:
        """Whether the object is Ready, and its status speaks of its present generation."""
        found = self.find(kind, name)
        return found is not None and says_ready(found)

    def until_message(self, kind: str, name: str, *words: str, condition: str = "Ready", timeout_s: float = 30) -> str:
        """Wait for a condition that is not True and whose reason or message holds all words; the message."""

        def told() -> str | None:
            found = self.condition(kind, name, condition)
            text = f"{found.get('reason', '')}: {found.get('message', '')}"
            return text if found.get("status") != "True" and all(word in text for word in words) else None

        return self.until(f"{condition} of {kind} {name} says {words}", told, timeout_s)

    def until_event(self, name: str, *words: str, timeout_s: float = 30) -> str:
        """Wait for an event about the object that holds all words; its message."""

        def told() -> str | None:
            about = (e for e in self.all("Event") if e["involvedObject"].get("name") == name)
            texts = (f"{e['type']} {e['reason']}: {e.get('message', '')}" for e in about)
            return next((text for text in texts if all(word in text for word in words)), None)

        return self.until(f"an event about {name} says {words}", told, timeout_s)

    def changes_since(self, kind: str, resource_version: str) -> list[Manifest]:
        """What a watch from this version on shows until now: one entry for each write."""
        query = f"watch=1&timeoutSeconds=1&resourceVersion={resource_version}"
        answer = self.cluster.api.get(f"/{API[kind]}/namespaces/{self.name}/{plural(kind)}?{query}")
        return [json.loads(line) for line in answer.raise_for_status().text.splitlines()]

    def until_gone(self, kind: str, name: str, timeout_s: float = 60) -> None:
        """Wait until an object does not exist."""
        self.until(f"{kind} {name} gone", lambda: self.find(kind, name) is None, timeout_s)

    def pods(self, service: str) -> list[Manifest]:
        """Pods of an InferenceService that are not on their way out."""
        found = self.all("Pod", f"serving.kserve.io/inferenceservice={service}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def until_settled(self, service: str, pods: int = 1) -> None:
        """Wait until the pods of an earlier revision are gone, so that no request reaches them any more."""
        label = f"serving.kserve.io/inferenceservice={service}"
        self.until(
            f"{pods} pod of {service}", lambda: [pod_is_ready(p) for p in self.all("Pod", label)] == [True] * pods
        )

    def logs(self, pod: str, container: str) -> str:
        """What a container has printed."""
        return self.kubectl("logs", pod, "-c", container)

    def explain(self) -> str:
        """For a failed wait: objects, conditions, events, agents and the operator."""
        parts = [self._status_lines(kind) for kind in ("InferenceService", "TrainedModel")]
        parts.append(self.attempt("get", "pods,deployments,configmaps", "-o", "wide").out)
        parts.append(self.attempt("get", "events", "--sort-by=.lastTimestamp").out[-4000:])
        for pod in self.all("Pod"):
            for container in pod["spec"]["containers"]:
                name = pod["metadata"]["name"]
                said = self.attempt("logs", name, "-c", container["name"], "--tail=15")
                parts.append(f"--- {name} {container['name']}\n{said.out or said.err}")
        operator = ("kubectl", "logs", "-n", "mooring-system", "-l", OPERATOR_LABEL, "--tail=40", "--prefix")
        parts.append("--- operator\n" + self.cluster.run(*operator).out)
        return "\n".join(parts)

    def _status_lines(self, kind: str) -> str:
        objects = self.all(kind)[:8]
        return "\n".join(f"{kind} {o['metadata']['name']}: {json.dumps(o.get('status'))}" for o in objects)


def says_ready(found: Manifest) -> bool:
    """Whether the object's status says Ready and speaks of its present generation."""
    status = found.get("status", {})
    current = status.get("observedGeneration") == found["metadata"].get("generation")
    return current and any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))


def pod_is_ready(pod: Manifest) -> bool:
    """Whether every container of the pod is ready."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def as_list(manifests: tuple[Manifest, ...]) -> str:
    """The manifests as one document for `-f -`."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
