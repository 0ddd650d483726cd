"""kubectl, the API through `kubectl proxy`, and waiting with a deadline."""

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
