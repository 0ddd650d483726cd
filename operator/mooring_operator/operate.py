"""The operator put together: store, queue, reconciler, agent followers, kopf; and who rests while another is active."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import kopf
from prometheus_client import CollectorRegistry

from mooring_operator import handlers, http_server, leadership
from mooring_operator.agents import AgentFollowers
from mooring_operator.cluster import KubernetesCluster
from mooring_operator.core.observed import Key
from mooring_operator.metrics import QueueMetrics
from mooring_operator.ports import ClusterError
from mooring_operator.reconcile import Reconciler
from mooring_operator.resources import WATCHED
from mooring_operator.settings import Settings
from mooring_operator.store import Store
from mooring_operator.workqueue import Outcome, WorkQueue

logger = logging.getLogger(__name__)

RETRY_S = 2.0
"""Pause after a list that could not be read."""
STUCK_S = 120.0
"""A queue that has due work but finished none for this long is reported as not healthy."""


@dataclass(frozen=True)
class Process:
    """What identifies this process among its peers."""

    identity: str
    started: datetime
    namespace: str | None = None
    """Watch this namespace only; None watches all."""
    http_port: int = 8080


class Operator:
    """One operator; `run` returns when kopf was told to stop by a signal."""

    def __init__(
        self, cluster: KubernetesCluster, settings: Settings, process: Process, registry: CollectorRegistry
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._process = process
        self._registry = registry
        self._priority = leadership.priority_at(process.started, process.identity)
        self._resting = process.namespace is None
        """Until the peering object says that nobody else is active; an operator of one namespace has no peers."""
        self._resync = asyncio.Event()
        self._store = Store()
        self._queue = WorkQueue(
            self._work, metrics=QueueMetrics(registry), workers=settings.workers, resync_s=settings.resync_s
        )
        self._agents = AgentFollowers(self._queue.ring)
        self._reconciler = Reconciler(
            store=self._store,
            cluster=cluster,
            agents=self._agents,
            settings=settings,
            rang_again=self._queue.rang_again,
            any_before=self._queue.any_before,
        )

    async def _work(self, key: Key) -> Outcome:
        return await self._reconciler(key)

    async def run(self) -> None:
        """Operate until a signal."""
        app = http_server.application(self._registry, self._ailment)
        async with http_server.serving(app, self._process.http_port), asyncio.TaskGroup() as group:
            self._queue.hold()  # until the store is whole: a run on half a picture deletes what it does not see
            self._resync.set()
            loops = [group.create_task(self._queue.run()), group.create_task(self._agents.run())]
            loops.append(group.create_task(self._resync_forever()))
            await self._watch()
            for task in loops:
                task.cancel()

    async def _watch(self) -> None:
        registry, settings = kopf.OperatorRegistry(), kopf.OperatorSettings()
        handlers.register(registry, store=self._store, ring=self._queue.ring, on_peering=self._on_peering)
        handlers.configure(settings)

        @kopf.on.login(registry=registry)
        def login(**kwargs: Any) -> Any:
            return kopf.login_via_client(**kwargs)

        scope: Mapping[str, Any] = (
            {"namespaces": [self._process.namespace]} if self._process.namespace else {"clusterwide": True}
        )
        await kopf.operator(
            registry=registry,
            settings=settings,
            identity=kopf_identity(self._process.identity),
            priority=self._priority,
            **_peering(self._process.namespace),
            **scope,
        )

    def _on_peering(self, body: Mapping[str, Any]) -> None:
        """Rest while a peer with a higher priority lives; kopf itself pauses its watches by the same rule."""
        superior = leadership.has_superior(body, self._process.identity, self._priority, datetime.now(UTC))
        if self._process.namespace or superior == self._resting:
            return
        self._resting = superior
        if superior:
            logger.info("another operator is active: standing by")
            self._queue.hold()
            self._agents.clear()
        else:
            logger.info("this operator is active")
            self._resync.set()

    async def _resync_forever(self) -> None:
        """Compare the store with whole lists at the start, now and then, and after standing by.

        Watches tell nothing of what was deleted while nobody watched, and not when their first list is complete.
        """
        pause_s = self._settings.resync_s
        while True:
            try:
                async with asyncio.timeout(pause_s):
                    await self._resync.wait()
            except TimeoutError:
                pass
            self._resync.clear()
            if self._resting:
                continue
            whole = await self._resync_once()
            pause_s = self._settings.resync_s if whole else RETRY_S
            if whole and not self._resting:
                self._queue.release()

    async def _resync_once(self) -> bool:
        """Whether every list could be read."""
        whole = True
        for resource in WATCHED:
            try:
                live, version = await self._cluster.list_all(resource, self._process.namespace or "")
            except ClusterError as exc:
                logger.warning("resync of %s: %s", resource.plural, exc)
                whole = False
                continue
            rung = {
                key for body in self._store.vanished(resource.kind, live, version) for key in self._store.forget(body)
            }
            for body in live:
                rung |= self._store.put(body)
            for key in rung:
                self._queue.ring(key)
        return whole

    def _ailment(self) -> str | None:
        overdue = self._queue.overdue_s
        return None if overdue < STUCK_S else f"the queue made no progress for {overdue:.0f} s"


def _peering(namespace: str | None) -> Mapping[str, Any]:
    """Peering is a cluster's affair; an operator of one namespace stands alone."""
    return {"standalone": True} if namespace else {"peering_name": leadership.PEERING}


kopf_identity: Callable[[str], Any] = str
"""kopf's identity is a NewType of str that it does not export."""
