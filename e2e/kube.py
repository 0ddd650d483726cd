"""kubectl, the API through `kubectl proxy`, and waiting with a deadline."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from e2e.target import ROOT

T = TypeVar("T")
Manifest = dict[str, Any]
POLL_S = 0.1
OPERATOR_LABEL = "app.kubernetes.io/name=mooring"

API = {
    "InferenceService": "apis/serving.kserve.io/v1beta1",
    "TrainedModel": "apis/serving.kserve.io/v1alpha1",
    "ServingRuntime": "apis/serving.kserve.io/v1alpha1",
    "Deployment": "apis/apps/v1",
    "ReplicaSet": "apis/apps/v1",
    "Ingress": "apis/networking.k8s.io/v1",
    "HorizontalPodAutoscaler": "apis/autoscaling/v2",
    "Service": "api/v1",
    "ConfigMap": "api/v1",
    "Pod": "api/v1",
    "Event": "api/v1",
    "Secret": "api/v1",
    "ServiceAccount": "api/v1",
}
"""Where the API server keeps each kind that the tests read."""


def plural(kind: str) -> str:
    """The kind's name in paths."""
    return kind.lower() + ("es" if kind.endswith("s") else "s")


@dataclass(frozen=True)
class Completed:
    """A finished command."""

    status: int
    out: str
    err: str


def until(what: str, probe: Callable[[], T | None], timeout_s: float, explain: Callable[[], str] = str) -> T:
    """Poll until `probe` gives something true, and return it.

    Raises:
        AssertionError: after `timeout_s`, with what was seen last and what `explain` says.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        if seen := probe():
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_s:g} s (last seen: {seen!r})\n{explain()}")
        time.sleep(POLL_S)


@dataclass(frozen=True)
class Cluster:
    """kubectl with an environment, and the API server behind a `kubectl proxy`."""

    environ: Mapping[str, str]
    api: httpx.Client

    def run(self, *command: str, stdin: str | None = None, timeout_s: float = 180) -> Completed:
        """Run a command in the repository's root, with the cluster's environment; whatever comes of it."""
        done = subprocess.run(
            command, cwd=ROOT, env=self.environ, input=stdin, capture_output=True, text=True, timeout=timeout_s
        )
        return Completed(done.returncode, done.stdout, done.stderr)

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl, which must succeed; its output."""
        done = self.run("kubectl", *args, stdin=stdin)
        assert done.status == 0, f"kubectl {' '.join(args)}: {done.err}"
        return done.out

    def read(self, path: str) -> Manifest | None:
        """An object or list by its API path; None when there is none."""
        answer = self.api.get(path)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        found: Manifest = answer.json()
        return found

    def namespace(self, name: str) -> "Namespace":
        """The objects of one namespace."""
        return Namespace(self, name)


@contextmanager
def connect(environ: Mapping[str, str]) -> Iterator[Cluster]:
    """A cluster's kubectl and its API, behind a proxy on a free port."""
    proxy = subprocess.Popen(["kubectl", "proxy", "--port", "0"], env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert proxy.stdout is not None
        said = proxy.stdout.readline()
        found = re.search(r"127\.0\.0\.1:\d+", said)
        assert found, f"kubectl proxy did not start: {said!r}"
        with httpx.Client(base_url=f"http://{found[0]}", timeout=30) as api:
            yield Cluster(environ, api)
    finally:
        proxy.terminate()
        proxy.wait()


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
