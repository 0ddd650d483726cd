"""Observe, decide, carry out: against an in-memory cluster."""

import itertools
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mooring_api import model_config, names
from mooring_api.agent_status import AgentModel, AgentStatus, ModelState
from mooring_api.v1alpha1 import ModelSpec
from mooring_operator.agents import AgentFollowers
from mooring_operator.core.observed import AgentReport, Key, Manifest, SecretKeys
from mooring_operator.core.plan import Adoption, Event, Ref
from mooring_operator.ports import ClusterError, NamespaceGoing
from mooring_operator.reconcile import Reconciler
from mooring_operator.settings import Settings
from mooring_operator.store import Store
from mooring_operator.workqueue import Outcome, Step

KEY = Key("default", "svc")
START = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


class MemoryCluster:
    """Keeps objects by (kind, name), counts writes, and can refuse a kind."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.objects: dict[tuple[str, str], Manifest] = {}
        self.writes: list[str] = []
        self.events: list[Event] = []
        self.nudged: dict[str, str] = {}
        self.refused: set[str] = set()
        self.refusal = 500
        self._versions = itertools.count(1)

    def seed(self, body: Manifest) -> None:
        """An object that a user or a controller made: the watch shows it."""
        self.store.put(self._keep(body))

    def change(self, kind: str, name: str, **parts: Any) -> None:
        """Somebody else edits an object: the watch shows it."""
        body = deepcopy(self.objects[kind, name]) | parts
        body["metadata"]["generation"] = body["metadata"].get("generation", 1) + 1
        self.store.put(self._keep(body))

    def _keep(self, body: Manifest) -> Manifest:
        body = deepcopy(body)
        place = body["kind"], body["metadata"]["name"]
        before = self.objects.get(place)
        uid = before["metadata"]["uid"] if before else f"uid-{body['kind']}-{body['metadata']['name']}"
        generation = body["metadata"].get("generation")
        if before is not None and generation is None:
            same = before.get("spec") == body.get("spec")
            generation = before["metadata"]["generation"] + (0 if same else 1)
        body["metadata"] |= {
            "uid": body["metadata"].get("uid", uid),
            "resourceVersion": str(next(self._versions)),
            "generation": generation or 1,
            "creationTimestamp": "2026-11-21T12:00:00Z",
        }
        self.objects[place] = body
        return deepcopy(body)

    def _write(self, what: str, kind: str) -> None:
        if kind in self.refused:
            error = NamespaceGoing if self.refusal == 403 else ClusterError
            raise error(f"{kind} is refused", self.refusal)
        self.writes.append(what)

    async def apply(self, manifest: Manifest) -> Manifest:
        self._write(f"apply {manifest['kind']}/{manifest['metadata']['name']}", manifest["kind"])
        status = self.objects.get((manifest["kind"], manifest["metadata"]["name"]), {}).get("status")
        return self._keep(manifest | ({"status": status} if status else {}))

    async def delete(self, ref: Ref) -> None:
        self._write(f"delete {ref.kind}/{ref.name}", ref.kind)
        if (body := self.objects.pop((ref.kind, ref.name), None)) is not None:
            self.store.forget(body)

    async def adopt(self, adoption: Adoption) -> Manifest:
        self._write(f"adopt {adoption.ref.name}", "TrainedModel")
        body = deepcopy(self.objects["TrainedModel", adoption.ref.name])
        body["metadata"]["labels"] = dict(adoption.labels)
        body["metadata"]["ownerReferences"] = [dict(adoption.owner)]
        return self._keep(body)

    async def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        self._write(f"nudge {name}", "Pod")
        self.nudged[name] = annotations[names.ANNOTATION_MODELS_DIGEST]

    async def write_status(self, ref: Ref, status: Mapping[str, Any]) -> Manifest | None:
        self._write(f"status {ref.kind}/{ref.name}", ref.kind)
        if (ref.kind, ref.name) not in self.objects:
            return None
        body = self.objects[ref.kind, ref.name] | {"status": dict(status)}
        body["metadata"]["generation"] = self.objects[ref.kind, ref.name]["metadata"]["generation"]
        return self._keep(body)

    async def emit(self, event: Event) -> None:
        self.events.append(event)

    async def secret_keys(self, namespace: str, name: str) -> SecretKeys | None:
        return None

    async def service_account(self, namespace: str, name: str) -> Manifest | None:
        return None

    async def claim_exists(self, namespace: str, name: str) -> bool:
        return False


class ToldAgents(AgentFollowers):
    """Reports what the test says instead of asking."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)
        self.told: dict[str, AgentReport] = {}
        self.followed: list[str] = []

    def follow(self, key: Key, pods: Any) -> None:
        self.followed = [pod["metadata"]["name"] for pod in pods]

    def reports(self, key: Key) -> Mapping[str, AgentReport]:
        return self.told


class World:
    """A reconciler with everything around it."""

    def __init__(self) -> None:
        self.store = Store()
        self.cluster = MemoryCluster(self.store)
        self.agents = ToldAgents()
        self.now = START
        self.rings = False
        self.others: Step | None = None
        self.reconciler = Reconciler(
            store=self.store,
            cluster=self.cluster,
            agents=self.agents,
            settings=Settings(),
            rang_again=lambda _: self.rings,
            any_before=lambda step: self.others is not None and self.others < step,
            clock=lambda: self.now,
        )

    async def settle(self) -> None:
        """Run until a run writes nothing."""
        for _ in range(10):
            before = len(self.cluster.writes)
            await self.reconciler(KEY)
            if len(self.cluster.writes) == before:
                return
        pytest.fail(f"never settles: {self.cluster.writes[-10:]}")

    def status(self, kind: str, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.cluster.objects[kind, name].get("status") or {}
        return status

    def condition(self, kind: str, name: str, aspect: str = "Ready") -> dict[str, Any]:
        conditions: list[dict[str, Any]] = self.status(kind, name)["conditions"]
        return next(c for c in conditions if c["type"] == aspect)


def service(name: str = "svc") -> Manifest:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"predictor": {"containers": [{"name": "kserve-container", "image": "mine:1"}]}},
    }


def model(name: str, parent: str = "svc") -> Manifest:
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "TrainedModel",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "inferenceService": parent,
            "model": {"storageUri": f"s3://b/{name}", "framework": "custom", "memory": "1Mi"},
        },
    }


def pod(world: World, name: str = "p1") -> Manifest:
    """The running, ready pod that the Deployment's template describes."""
    template = world.cluster.objects["Deployment", "svc-predictor"]["spec"]["template"]
    owner = {"kind": "ReplicaSet", "name": "svc-predictor-abc", "uid": "rs", "controller": True}
    ready = [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": dict(template["metadata"]["labels"]),
            "annotations": dict(template["metadata"].get("annotations") or {}),
            "ownerReferences": [owner],
        },
        "spec": deepcopy(template["spec"]),
        "status": {"phase": "Running", "podIP": "10.0.0.5", "conditions": ready},
    }


def deployed(world: World) -> None:
    """The Deployment's controller did its work."""
    body = world.cluster.objects["Deployment", "svc-predictor"]
    status = {
        "observedGeneration": body["metadata"]["generation"],
        "replicas": 1,
        "readyReplicas": 1,
        "availableReplicas": 1,
        "updatedReplicas": 1,
        "conditions": [{"type": "Available", "status": "True"}, {"type": "Progressing", "status": "True"}],
    }
    kept = deepcopy(body) | {"status": status}
    world.store.put(world.cluster._keep(kept))


def loaded(world: World, *model_names: str) -> AgentStatus:
    """An agent that follows the current list and has these models loaded."""
    text = world.cluster.objects["ConfigMap", "modelconfig-svc-0"]["data"]["models.json"]
    models = []
    for name in model_names:
        spec = ModelSpec(storage_uri=f"s3://b/{name}", framework="custom", memory="1Mi")
        identity = model_config.download_id(spec)
        models.append(
            AgentModel(
                name=name,
                state=ModelState.LOADED,
                storage_uri=spec.storage_uri,
                wanted_id=identity,
                loaded_id=identity,
            )
        )
    return AgentStatus(
        revision=1, instance="i", config_digest=model_config.digest(text), runtime_ready=True, models=tuple(models)
    )


async def test_a_new_service_gets_its_children_and_a_status_and_then_peace() -> None:
    world = World()
    world.cluster.seed(service())
    await world.reconciler(KEY)
    kinds = {kind for kind, _ in world.cluster.objects}
    assert {"Deployment", "Service", "Ingress"} <= kinds
    assert world.condition("InferenceService", "svc")["status"] != "True"
    await world.settle()
    before = list(world.cluster.writes)
    await world.reconciler(KEY)
    assert world.cluster.writes == before


async def test_a_service_becomes_ready_with_its_pod_in_few_writes() -> None:
    world = World()
    world.cluster.seed(service())
    await world.settle()
    world.cluster.seed(pod(world))
    deployed(world)
    await world.settle()
    assert world.condition("InferenceService", "svc")["status"] == "True"
    assert [event.reason for event in world.cluster.events] == ["InferenceServiceReady"]
    assert len(world.cluster.writes) + len(world.cluster.events) <= 8


async def test_drift_is_put_right_and_defaults_are_left_alone() -> None:
    world = World()
    world.cluster.seed(service())
    await world.settle()
    wanted = deepcopy(world.cluster.objects["Deployment", "svc-predictor"]["spec"])
    drifted = deepcopy(wanted)
    drifted["template"]["spec"]["containers"][0]["image"] = "other:2"
    world.cluster.change("Deployment", "svc-predictor", spec=drifted)
    await world.settle()
    assert world.cluster.objects["Deployment", "svc-predictor"]["spec"] == wanted


async def test_models_get_a_list_an_owner_and_become_ready_when_the_agent_says_so() -> None:
    world = World()
    world.cluster.seed(service())
    world.cluster.seed(model("m1"))
    world.cluster.seed(model("m2"))
    await world.settle()
    world.cluster.seed(pod(world))
    deployed(world)
    await world.settle()
    owners = world.cluster.objects["TrainedModel", "m1"]["metadata"]["ownerReferences"]
    assert owners[0]["uid"] == "uid-InferenceService-svc"
    assert world.condition("TrainedModel", "m1")["status"] != "True"
    assert world.agents.followed == ["p1"]
    world.agents.told = {"uid-Pod-p1": AgentReport(loaded(world, "m1"))}
    await world.settle()
    assert world.condition("TrainedModel", "m1")["status"] == "True"
    assert world.condition("TrainedModel", "m2")["status"] != "True"


async def test_a_pod_that_lags_behind_the_list_is_nudged_again_with_patience() -> None:
    world = World()
    world.cluster.seed(service())
    world.cluster.seed(model("m1"))
    await world.settle()
    world.cluster.seed(pod(world))
    deployed(world)
    world.agents.told = {"uid-Pod-p1": AgentReport(loaded(world, "m1"))}
    await world.settle()
    world.cluster.seed(model("m2"))
    outcome = await world.reconciler(KEY)
    first = world.cluster.nudged["p1"]
    assert outcome.requeue_after_s is not None
    await world.settle()
    assert world.cluster.nudged["p1"] == first
    world.now += timedelta(seconds=2)
    await world.reconciler(KEY)
    assert world.cluster.nudged["p1"] != first
    world.agents.told = {"uid-Pod-p1": AgentReport(loaded(world, "m1", "m2"))}
    world.now += timedelta(seconds=60)
    nudges = world.cluster.writes.count("nudge p1")
    await world.settle()
    assert world.cluster.writes.count("nudge p1") == nudges


async def test_models_without_a_service_wait_and_say_so() -> None:
    world = World()
    world.cluster.seed(model("m1"))
    await world.settle()
    condition = world.condition("TrainedModel", "m1")
    assert condition["status"] == "False"
    assert "svc" in condition["message"]
    world.cluster.seed(service())
    await world.settle()
    assert ("ConfigMap", "modelconfig-svc-0") in world.cluster.objects


async def test_a_name_that_nobody_uses_is_forgotten() -> None:
    outcome = await World().reconciler(KEY)
    assert outcome.gone


async def test_a_service_that_is_going_is_left_alone() -> None:
    world = World()
    going = service()
    going["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    world.cluster.seed(going)
    await world.reconciler(KEY)
    assert world.cluster.writes == []


async def test_a_refused_child_fails_the_run_but_not_the_other_children() -> None:
    world = World()
    world.cluster.seed(service())
    world.cluster.refused = {"Ingress"}
    with pytest.raises(ClusterError, match="Ingress"):
        await world.reconciler(KEY)
    assert ("Deployment", "svc-predictor") in world.cluster.objects
    world.cluster.refused = set()
    await world.settle()
    assert ("Ingress", "svc") in world.cluster.objects


async def test_what_the_api_server_will_not_take_stands_in_the_status_until_it_is_cured() -> None:
    world = World()
    world.cluster.seed(service())
    world.cluster.seed(model("m1"))
    world.cluster.refused, world.cluster.refusal = {"Deployment"}, 422
    for _ in range(2):
        with pytest.raises(ClusterError):
            await world.reconciler(KEY)
    condition = world.condition("InferenceService", "svc", "PredictorReady")
    assert (condition["status"], condition["reason"]) == ("False", "ReconcileFailed")
    assert "Deployment is refused" in condition["message"]
    assert world.condition("TrainedModel", "m1")["status"] == "False"
    world.cluster.refused = set()
    await world.settle()
    assert world.condition("InferenceService", "svc", "PredictorReady")["reason"] != "ReconcileFailed"


async def test_in_a_namespace_that_is_going_there_is_nothing_to_do() -> None:
    world = World()
    world.cluster.seed(service())
    world.cluster.refused, world.cluster.refusal = {"Deployment"}, 403
    outcome = await world.reconciler(KEY)
    assert outcome.requeue_after_s is None


async def test_a_new_service_lets_others_go_first_once_before_each_step() -> None:
    world = World()
    world.cluster.seed(service())
    world.others = Step.ADDRESSES
    outcome = await world.reconciler(KEY)
    assert outcome == Outcome(requeue_after_s=0.0, step=Step.PODS)
    assert {kind for kind, _ in world.cluster.objects} == {"InferenceService", "Service", "Ingress"}
    outcome = await world.reconciler(KEY)
    assert outcome == Outcome(requeue_after_s=0.0, step=Step.REPORT)
    assert ("Deployment", "svc-predictor") in world.cluster.objects
    assert not world.status("InferenceService", "svc")
    outcome = await world.reconciler(KEY)
    assert outcome.step is Step.SETTLED
    assert world.status("InferenceService", "svc")


async def test_a_bell_during_many_statuses_lets_the_list_go_first() -> None:
    world = World()
    world.cluster.seed(service())
    for n in range(100):
        world.cluster.seed(model(f"m{n:03}"))
    world.rings = True
    outcome = await world.reconciler(KEY)
    assert outcome == Outcome(requeue_after_s=0.0, step=Step.REPORT)
    assert ("ConfigMap", "modelconfig-svc-0") in world.cluster.objects
    written = [write for write in world.cluster.writes if write.startswith("status TrainedModel")]
    assert 0 < len(written) < 100
    world.rings = False
    await world.settle()
    assert world.status("TrainedModel", "m099")


async def test_deleting_a_model_takes_it_off_the_list() -> None:
    world = World()
    world.cluster.seed(service())
    world.cluster.seed(model("m1"))
    world.cluster.seed(model("m2"))
    await world.settle()
    world.store.forget(world.cluster.objects.pop(("TrainedModel", "m1")))
    await world.settle()
    text = world.cluster.objects["ConfigMap", "modelconfig-svc-0"]["data"]["models.json"]
    assert [entry.model_name for entry in model_config.loads(text)] == ["m2"]
