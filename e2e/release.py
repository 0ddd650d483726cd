"""Mooring on the cluster, installed with helm as the README does it."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from e2e.kube import Cluster, Completed, Manifest, until
from e2e.namespace import OPERATOR_LABEL, Namespace
from e2e.target import Target

NAMESPACE = "mooring-system"
OPERATOR = "mooring-operator"
CONFIG = "mooring-config"
CONFIG_KEY = "config.yaml"


@dataclass(frozen=True)
class Release:
    """The installed charts."""

    cluster: Cluster
    values: Manifest

    @property
    def space(self) -> Namespace:
        """The operator's namespace."""
        return Namespace(self.cluster, NAMESPACE)

    def install(self) -> None:
        """Install or upgrade both charts and wait until the operator is ready."""
        for chart, values in (("mooring-crds", {}), ("mooring", self.values)):
            done = self._helm(chart, values, "--wait", "--timeout", "120s", "--take-ownership")
            assert done.status == 0, f"helm: {done.err}\n{self.explain()}"

    def uninstall(self) -> None:
        """Remove both charts; the CRDs take what is left of their objects with them."""
        for chart in ("mooring", "mooring-crds"):
            self.cluster.run("helm", "-n", NAMESPACE, "uninstall", chart, "--wait", "--timeout", "120s")

    def refused(self, values: Manifest) -> str:
        """What helm says to values that it must refuse."""
        done = self._helm("mooring", values, "--dry-run=server")
        assert done.status != 0, "helm accepted what it must refuse"
        return done.err

    def _helm(self, chart: str, values: Mapping[str, Any], *args: str) -> Completed:
        command = ("helm", "-n", NAMESPACE, "upgrade", "--install", chart, f"charts/{chart}", "--create-namespace")
        return self.cluster.run(*command, "--values", "-", *args, stdin=json.dumps(values))

    def scale_operator(self, replicas: int) -> None:
        """Scale the operator and wait until that is how many pods there are, ready."""
        self.space.kubectl("scale", f"deployment/{OPERATOR}", f"--replicas={replicas}")
        until(f"{replicas} operator pods", lambda: len(self.pods()) == replicas, 60, self.explain)
        if replicas:
            self.space.kubectl("rollout", "status", f"deployment/{OPERATOR}", "--timeout=60s")

    def pods(self) -> list[Manifest]:
        """The operator's pods, also those on their way out."""
        return self.space.all("Pod", OPERATOR_LABEL)

    def kill_active(self) -> None:
        """End the active operator at once, without a farewell to its peers."""
        peers = until("two operators that see each other", self._peers, 30, self.explain)
        active = max(peers, key=lambda name: int(peers[name]["priority"]))
        self.space.kubectl("delete", "pod", active, "--grace-period=0", "--force")

    def _peers(self) -> dict[str, Any] | None:
        """What the running operators wrote into the peering object; None until there are two."""
        peering = self.cluster.read("/apis/kopf.dev/v1/clusterkopfpeerings/mooring") or {}
        running = {pod["metadata"]["name"] for pod in self.pods()}
        peers = {name: peer for name, peer in peering.get("status", {}).items() if name in running}
        return peers if len(peers) > 1 else None

    @contextmanager
    def without_operator(self) -> Iterator[None]:
        """No operator runs during the block."""
        before = self.space.get("Deployment", OPERATOR)["spec"]["replicas"]
        self.scale_operator(0)
        try:
            yield
        finally:
            self.scale_operator(before)

    @contextmanager
    def broken_config(self, changes: Mapping[str, Any]) -> Iterator[None]:
        """The operator's configuration has these top-level keys during the block, past helm's schema."""
        before = self.space.get("ConfigMap", CONFIG)["data"][CONFIG_KEY]
        self._configure(yaml.safe_dump((yaml.safe_load(before) or {}) | dict(changes)))
        try:
            yield
        finally:
            self._configure(before)
            self.space.kubectl("rollout", "status", f"deployment/{OPERATOR}", "--timeout=90s")

    def _configure(self, document: str) -> None:
        self.space.kubectl("patch", "configmap", CONFIG, "-p", json.dumps({"data": {CONFIG_KEY: document}}))
        self.space.kubectl("rollout", "restart", f"deployment/{OPERATOR}")

    def until_operator_says(self, *words: str, timeout_s: float = 60) -> str:
        """Wait for a termination message of an operator container that holds all words; the message."""

        def said() -> str | None:
            states = (s for pod in self.pods() for s in pod.get("status", {}).get("containerStatuses", []))
            ends = (s.get(when, {}).get("terminated") or {} for s in states for when in ("state", "lastState"))
            texts = (str(end.get("message", "")) for end in ends)
            return next((text for text in texts if all(word in text for word in words)), None)

        return until(f"the operator's last words hold {words}", said, timeout_s, self.explain)

    def explain(self) -> str:
        """For a failed wait: the operator's pods and what they say."""
        pods = self.space.attempt("get", "pods", "-o", "wide").out
        events = self.space.attempt("get", "events", "--sort-by=.lastTimestamp").out[-2000:]
        return f"{pods}\n{events}\n" + self.space.attempt("logs", "-l", OPERATOR_LABEL, "--tail=40", "--prefix").out


@contextmanager
def installed(target: Target, cluster: Cluster, images: Mapping[str, str], **more: Any) -> Iterator[Release]:
    """Both charts, installed with these images and `more` values; removed at the end unless MOORING_KEEP=1."""
    release = Release(cluster, chart_values(target, images) | more)
    release.install()
    yield release
    if os.environ.get("MOORING_KEEP") != "1":
        release.uninstall()


def chart_values(target: Target, images: Mapping[str, str]) -> Manifest:
    """The values of a test installation."""
    repository, _, tag = images["operator"].rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag},
        "runtimes": {"image": images["runtime"]},
        "config": {
            "ingress": {"className": "traefik", "domain": "example.com"},
            "agent": {"image": images["agent"]},
            "storageInitializer": {"image": images["agent"]},
            "env": {"STORAGE_EMULATOR_HOST": target.need("STORAGE_EMULATOR_HOST")},
        },
    }
