"""One run for one InferenceService: observe, decide, carry out. The same for create, update, drift, restart and delete.

Generic over the cluster: the operator gives it the Kubernetes API, the local mode its processes. What our own writes
return goes into the store at once, so the next run never acts on a picture older than its own work.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mooring_api import names
from mooring_operator.agents import AgentFollowers
from mooring_operator.core.decide import decide
from mooring_operator.core.observed import AgentReport, Key, Manifest, Nudge, Observed
from mooring_operator.core.plan import Adoption, Event, Plan, PodNudge, Ref, StatusWrite
from mooring_operator.ledger import Ledger
from mooring_operator.lookups import Lookups
from mooring_operator.ports import Cluster, ClusterError, NamespaceGoing
from mooring_operator.settings import Settings
from mooring_operator.store import Store
from mooring_operator.workqueue import Outcome, Step

logger = logging.getLogger(__name__)

CHUNK = 32
"""Statuses and adoptions written between two looks at the bell: a busy service's model list goes first."""
MISSING_S = 3.0
"""Secrets and claims are not watched: look again after this long while one is missing."""


REFUSALS = (400, 403, 413, 422)
"""Answers of the API server that only a change of the object, or of our rights, can cure."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Reconciler:
    """Reconciles keys; holds only what can be lost: the ledger of applied manifests and of nudges."""

    def __init__(
        self,
        *,
        store: Store,
        cluster: Cluster,
        agents: AgentFollowers,
        settings: Settings,
        rang_again: Callable[[Key], bool],
        any_before: Callable[[Step], bool] = lambda step: False,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._agents = agents
        self._settings = settings
        self._rang_again = rang_again
        self._any_before = any_before
        self._gave_way: dict[Key, Step] = {}
        self._clock = clock
        self._lookups = Lookups(cluster)
        self._ledger = Ledger()
        self._nudges: dict[str, Nudge] = {}

    async def __call__(self, key: Key) -> Outcome:
        """Run once.

        Raises:
            ClusterError: a request failed; what was done stays done, the next run continues.
        """
        observed = await self._observe(key)
        if observed.service is None and not observed.trained_models:
            self._forget(key)
            return Outcome(gone=True)
        if observed.service is not None and observed.service.meta.deleting:
            return Outcome()
        plan = decide(observed, self._settings, self._clock())
        self._agents.follow(key, observed.pods if plan.wants_agents else ())
        try:
            step = await self._carry_out(key, observed, plan)
        except NamespaceGoing:
            return Outcome()
        except ClusterError as exc:
            if exc.status in REFUSALS:
                await self._tell_refusal(key, observed, str(exc))
            raise
        if step is not Step.SETTLED:
            return Outcome(requeue_after_s=0.0, step=step)
        missing = observed.missing_claims or observed.credentials.missing
        waits = [s for s in (plan.requeue_after_s, MISSING_S if missing else None) if s is not None]
        return Outcome(requeue_after_s=min(waits, default=None))

    async def _tell_refusal(self, key: Key, observed: Observed, refusal: str) -> None:
        """Say in the status what the API server would not take; the run is retried all the same."""
        plan = decide(replace(observed, server_refusal=refusal), self._settings, self._clock())
        await self._carry_out(key, observed, replace(plan, apply=(), delete=(), nudge=()))

    async def _observe(self, key: Key) -> Observed:
        service = self._store.services.get(key)
        models = self._store.models_of(key)
        children, foreign = self._store.children_of(key)
        pods = self._store.pods_of(key)
        uids = {pod["metadata"]["uid"] for pod in pods}
        looked = await self._lookups.look(service, models, children)
        reports: Mapping[str, AgentReport] = self._agents.reports(key)
        return Observed(
            key=key,
            service=service,
            trained_models=models,
            runtimes=self._store.runtimes_for(key.namespace),
            children=children,
            foreign=foreign,
            pods=pods,
            agents={uid: report for uid, report in reports.items() if uid in uids},
            nudges={uid: nudge for uid, nudge in self._nudges.items() if uid in uids},
            credentials=looked.credentials,
            missing_claims=looked.missing_claims,
        )

    async def _carry_out(self, key: Key, observed: Observed, plan: Plan) -> Step:
        """Do what the plan says, or the part of it before which others go; answers what the next run begins with."""
        deployments = [manifest for manifest in plan.apply if manifest["kind"] == "Deployment"]
        others = [manifest for manifest in plan.apply if manifest["kind"] != "Deployment"]
        failures = await _failures(self._apply(manifest, observed) for manifest in others)
        new = any(_live(manifest, observed) is None for manifest in deployments)
        if not failures and new and self._gives_way(key, Step.PODS):
            return Step.PODS
        failures += await _failures(self._apply(manifest, observed) for manifest in deployments)
        if failures:
            raise failures[0]
        await _all(self._delete(ref) for ref in plan.delete)
        await _all(self._nudge(nudge) for nudge in plan.nudge)
        if new and self._gives_way(key, Step.REPORT):
            return Step.REPORT
        return Step.SETTLED if await self._tell(key, plan) else Step.REPORT

    async def _tell(self, key: Key, plan: Plan) -> bool:
        """Write statuses and events; False when the bell rang before all were written."""
        reported = {write.ref for write in plan.statuses}
        await _all(self._emit_once(event) for event in plan.events if event.ref not in reported)
        events_of = {ref: tuple(e for e in plan.events if e.ref == ref) for ref in {e.ref for e in plan.events}}
        due = [write for write in plan.statuses if not self._shows(write)]
        for part in _chunks([*due, *plan.adopt]):
            await _all(self._report(item, events_of) for item in part)
            if self._rang_again(key):
                return False
        return True

    async def _apply(self, manifest: Manifest, observed: Observed) -> None:
        live = _live(manifest, observed)
        if live is not None and self._ledger.is_settled(manifest, live):
            return
        applied = await self._cluster.apply(manifest)
        self._ledger.record(manifest, applied)
        self._store.put({"kind": manifest["kind"], "apiVersion": manifest["apiVersion"]} | applied)
        if live is None or self._ledger.differs(live, applied):
            verb = "created" if live is None else "updated"
            logger.info("%s %s %s/%s", verb, manifest["kind"], observed.key.namespace, manifest["metadata"]["name"])

    def _gives_way(self, key: Key, step: Step) -> bool:
        """Whether this new service lets those go first that have come less far than `step`; once before each step.

        Many pods that start at once take the API server's processor for seconds: the names and routes of all go before
        the first pod, and all pods before the first status.
        """
        if self._gave_way.get(key, Step.ADDRESSES) >= step or not self._any_before(step):
            return False
        self._gave_way[key] = step
        return True

    async def _delete(self, ref: Ref) -> None:
        await self._cluster.delete(ref)
        logger.info("deleted %s %s/%s", ref.kind, ref.namespace, ref.name)

    async def _nudge(self, nudge: PodNudge) -> None:
        await self._cluster.annotate_pod(nudge.namespace, nudge.pod, {names.ANNOTATION_MODELS_DIGEST: nudge.value})
        self._nudges[nudge.uid] = nudge.record

    async def _report(self, item: StatusWrite | Adoption, events_of: Mapping[Ref, Sequence[Event]]) -> None:
        if isinstance(item, Adoption):
            try:
                self._put(item.ref, await self._cluster.adopt(item))
            except ClusterError as exc:
                if exc.status not in (404, 409, 422):  # gone or made anew meanwhile: its own event rings the bell
                    raise
            return
        live = await self._cluster.write_status(item.ref, item.status)
        if live is None:
            return
        self._put(item.ref, live)
        for event in events_of.get(item.ref, ()):
            await self._cluster.emit(event)

    async def _emit_once(self, event: Event) -> None:
        if self._ledger.is_new(event):
            await self._cluster.emit(event)

    def _put(self, ref: Ref, live: Manifest) -> None:
        self._store.put({"kind": ref.kind, "apiVersion": ref.api_version} | live)

    def _shows(self, write: StatusWrite) -> bool:
        """Whether the object shows this status already."""
        key = Key(write.ref.namespace, write.ref.name)
        tables: dict[str, Mapping[Key, Any]] = {
            "InferenceService": self._store.services,
            "TrainedModel": self._store.models,
        }
        shown = tables[write.ref.kind].get(key)
        return shown is not None and shown.status == write.status

    def _forget(self, key: Key) -> None:
        self._agents.follow(key, ())
        self._ledger.forget(key)
        self._gave_way.pop(key, None)


def _live(manifest: Manifest, observed: Observed) -> Manifest | None:
    return observed.children.get((manifest["kind"], manifest["metadata"]["name"]))


async def _failures(calls: Iterable[Any]) -> list[BaseException]:
    """Run the calls together to their ends; what went wrong."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    return [result for result in results if isinstance(result, BaseException)]


async def _all(calls: Iterable[Any]) -> None:
    """Run the calls together; the first failure is raised after all have ended."""
    for failure in await _failures(calls):
        raise failure


def _chunks(items: Sequence[StatusWrite | Adoption]) -> Iterable[Sequence[StatusWrite | Adoption]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
