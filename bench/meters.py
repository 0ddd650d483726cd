"""What the operator and the agents cost: requests as the API server counts them, CPU and memory as the kernel does.

Requests are counted by two FlowSchemas of API priority and fairness that match the operator's service account alone,
one for writes and one for reads; the server counts what each lets through. The operator has no part in it.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from e2e.release import NAMESPACE, OPERATOR

from bench.api import Api, Manifest

SCHEMAS = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
VERBS = {
    "mooring-bench-writes": ["create", "update", "patch", "delete", "deletecollection"],
    "mooring-bench-reads": ["*"],
}
METRIC = "apiserver_flowcontrol_dispatched_requests_total"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Requests:
    """API requests of the operator."""

    writes: int
    reads: int

    def __sub__(self, earlier: "Requests") -> "Requests":
        return Requests(self.writes - earlier.writes, self.reads - earlier.reads)

    @property
    def total(self) -> int:
        """All of them."""
        return self.writes + self.reads


async def count_operator_requests(api: Api) -> None:
    """Make the API server count the operator's requests from now on."""
    deployment = await api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{OPERATOR}")
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    for precedence, (name, verbs) in enumerate(VERBS.items(), start=100):
        await api.delete(f"{SCHEMAS}/{name}")
        await api.create(SCHEMAS, _flow_schema(name, precedence, verbs, account))


def _flow_schema(name: str, precedence: int, verbs: list[str], account: str) -> Manifest:
    subject = {"kind": "ServiceAccount", "serviceAccount": {"namespace": NAMESPACE, "name": account}}
    every = {"verbs": verbs, "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
    paths = {"verbs": verbs, "nonResourceURLs": ["*"]}
    return {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": name},
        "spec": {
            "matchingPrecedence": precedence,
            "priorityLevelConfiguration": {"name": "workload-low"},  # where service accounts are anyway
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [{"subjects": [subject], "resourceRules": [every], "nonResourceRules": [paths]}],
        },
    }


async def stop_counting(api: Api) -> None:
    """Remove the FlowSchemas."""
    for name in VERBS:
        await api.delete(f"{SCHEMAS}/{name}")


async def operator_requests(api: Api) -> Requests:
    """The operator's requests since counting began."""
    metrics = await api.text("/metrics")
    line = METRIC + r'{flow_schema="(\S+?)".*} (\S+)'
    counts = dict.fromkeys(VERBS, 0.0)
    for name, count in re.findall(line, metrics):
        if name in counts:
            counts[name] += float(count)
    return Requests(*map(int, counts.values()))


@dataclass(frozen=True)
class Usage:
    """CPU time spent and memory held by some containers' processes."""

    cpu_s: float
    memory_bytes: int
    """Resident, of the largest container."""

    def __sub__(self, earlier: "Usage") -> "Usage":
        return Usage(self.cpu_s - earlier.cpu_s, self.memory_bytes)


def usage(container_ids: Iterable[str]) -> Usage:
    """CPU time (of all, since their start) and resident memory (of the largest) of containers on this machine."""
    wanted = set(container_ids)
    cpu, memory = 0.0, dict.fromkeys(wanted, 0)
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and (container := _container_of(process, wanted)):
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            cpu += (int(fields[11]) + int(fields[12])) / TICKS_PER_S
            memory[container] += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return Usage(cpu, max(memory.values(), default=0))


def _container_of(process: Path, wanted: set[str]) -> str | None:
    try:
        group = (process / "cgroup").read_text()
    except OSError:  # it ended meanwhile
        return None
    return next((container for container in wanted if container in group), None)


def machine_cpu_s() -> float:
    """CPU time that everything on this machine has spent since it started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]  # the fourth is idle, the fifth waits for a disk
    return (sum(fields) - idle) / TICKS_PER_S


def container_ids(pods: Iterable[Manifest], container: str) -> list[str]:
    """The runtime's ids of a container in each pod."""
    statuses = (status for pod in pods for status in pod["status"].get("containerStatuses", ()))
    return [s["containerID"].rpartition("/")[2] for s in statuses if s["name"] == container and s.get("containerID")]


async def operator_usage(api: Api) -> Usage:
    """What the operator's pods have used since their start."""
    pods = await api.get(f"/api/v1/namespaces/{NAMESPACE}/pods")
    return usage(container_ids(pods["items"], "operator"))


async def agent_usage(api: Api, namespace: str) -> Usage:
    """What the agents of a namespace have used since their start."""
    pods = await api.get(f"/api/v1/namespaces/{namespace}/pods")
    return usage(container_ids(pods["items"], "agent"))
