"""Follows Deployments: makes and ends pods until they are as the Deployment wants them."""

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

from mooring_operator.core.observed import Manifest
from mooring_operator.local.objects import Change, Id, id_of
from mooring_operator.local.pods import Machine, PodRunner
from mooring_operator.local.rollout import (
    PodView,
    deadline_of,
    deployment_status,
    plan_rollout,
    revision_of,
    suffix_of,
)

LABEL_REVISION = "pod-template-hash"


class Deployments:
    """Runs the pods of all Deployments. Every change of a Deployment or of one of its pods rings its bell.

    Use as a context: at the end all pods are stopped, `grace_s` seconds after SIGTERM at the latest.
    """

    def __init__(self, machine: Machine, tasks: asyncio.TaskGroup) -> None:
        self._machine = machine
        self._tasks = tasks
        self._pods: dict[Id, PodRunner] = {}
        self._owner: dict[Id, tuple[Id, str]] = {}
        self._running: dict[Id, asyncio.Task[None]] = {}
        self._rung: set[Id] = set()
        self._closing = False
        machine.objects.subscribe(self._on_change)

    async def close(self, grace_s: float) -> None:
        """Stop all pods and make no new ones."""
        self._closing = True
        runners = list(self._pods.values())
        await asyncio.gather(*(runner.stop(grace_s) for runner in runners))
        await asyncio.gather(*self._running.values())

    def _on_change(self, change: Change) -> None:
        if change.id.kind == "Deployment":
            self._ring(change.id)
        elif change.id.kind == "Pod" and change.id in self._owner:
            self._ring(self._owner[change.id][0])
        elif change.id.kind == "HorizontalPodAutoscaler":
            self._ring(Id("Deployment", change.id.namespace, change.id.name))
        elif change.id.kind == "ConfigMap" and not change.gone:
            for runner in list(self._pods.values()):
                if runner.id.namespace == change.id.namespace:
                    runner.refresh_config_map(change.id.name)

    def _ring(self, deployment: Id) -> None:
        """Sync once, however often it is rung before that; never inside of the change that rang."""
        if deployment not in self._rung and not self._closing:
            self._rung.add(deployment)
            asyncio.get_running_loop().call_soon(self._sync, deployment)

    def _sync(self, key: Id) -> None:
        self._rung.discard(key)
        if self._closing:
            return
        live = self._machine.objects.get(key)
        uid = live["metadata"]["uid"] if live else ""
        for pod, (owner, owner_uid) in list(self._owner.items()):
            if owner == key and owner_uid != uid:
                self._stop(pod)
        if live is not None:
            self._roll(key, live)

    def _roll(self, key: Id, deployment: Manifest) -> None:
        revision, replicas = revision_of(deployment["spec"]["template"]), self._replicas(key, deployment)
        uid = deployment["metadata"]["uid"]
        step = plan_rollout(replicas, deployment["spec"].get("strategy") or {}, revision, self._views(key, uid))
        for name in step.delete:
            self._stop(Id("Pod", key.namespace, name))
        for _ in range(step.create):
            self._start(key, deployment, revision)
        now = datetime.now(UTC)
        status = deployment_status(deployment, replicas, revision, self._views(key, uid), now)
        written = self._machine.objects.set_status(key, status)
        if written is not None and status["unavailableReplicas"]:
            delay_s = (deadline_of(written) - now).total_seconds()
            if 0 < delay_s < 86400:
                asyncio.get_running_loop().call_later(delay_s + 0.1, self._ring, key)

    def _replicas(self, key: Id, deployment: Manifest) -> int:
        """As given; without a figure, the least that the autoscaler of the same name allows, else 1."""
        if (replicas := deployment["spec"].get("replicas")) is not None:
            return int(replicas)
        autoscaler = self._machine.objects.get(Id("HorizontalPodAutoscaler", key.namespace, key.name))
        return int(autoscaler["spec"].get("minReplicas") or 1) if autoscaler else 1

    def _views(self, key: Id, uid: str) -> list[PodView]:
        views = []
        for pod, owner in self._owner.items():
            body = self._machine.objects.get(pod)
            if owner == (key, uid) and body is not None:
                meta = body["metadata"]
                views.append(
                    PodView(
                        pod.name,
                        meta["labels"][LABEL_REVISION],
                        is_ready(body),
                        "deletionTimestamp" in meta,
                        meta["creationTimestamp"],
                    )
                )
        return views

    def _start(self, key: Id, deployment: Manifest, revision: str) -> None:
        manifest = pod_manifest(deployment, revision, suffix_of(random.randrange(27**5)))  # noqa: S311 (a name)
        pod = id_of(manifest)
        self._owner[pod] = (key, deployment["metadata"]["uid"])
        runner = PodRunner(self._machine, manifest)
        self._pods[pod] = runner
        self._running[pod] = self._tasks.create_task(self._run(pod, runner))

    async def _run(self, pod: Id, runner: PodRunner) -> None:
        try:
            await runner.run()
        finally:
            self._pods.pop(pod, None)
            self._running.pop(pod, None)
            owner, _ = self._owner.pop(pod)
            self._ring(owner)

    def _stop(self, pod: Id) -> None:
        body = self._machine.objects.get(pod)
        if body is not None and "deletionTimestamp" not in body["metadata"]:
            self._pods[pod].mark_deleted()
            self._tasks.create_task(self._pods[pod].stop())


def is_ready(pod: Manifest) -> bool:
    """Whether a Pod takes requests: condition Ready, and not on its way out."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def pod_manifest(deployment: Manifest, revision: str, suffix: str) -> Manifest:
    """A Pod of a Deployment's revision, as a ReplicaSet would make it."""
    meta, template = deployment["metadata"], deployment["spec"]["template"]
    replica_set = f"{meta['name']}-{revision}"
    owner: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": replica_set,
        "uid": f"{meta['uid']}-{revision}",
        "controller": True,
    }
    template_meta = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{replica_set}-{suffix}",
            "namespace": meta["namespace"],
            "labels": (template_meta.get("labels") or {}) | {LABEL_REVISION: revision},
            "annotations": template_meta.get("annotations") or {},
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
    }
