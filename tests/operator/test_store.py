from collections.abc import Callable
from typing import Any

import pytest

from mooring_operator.core.observed import Key, Manifest
from mooring_operator.store import Store, meta_of

Build = Callable[..., Manifest]
SVC, OTHER = Key("ns", "svc"), Key("ns", "other")


def _object(kind: str, name: str, uid: str = "", version: int | None = None, **metadata: object) -> Manifest:
    numbered = {"resourceVersion": str(version)} if version is not None else {}
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "ns", "uid": uid or f"uid-{name}", **numbered, **metadata},
    }


def _child(kind: str, name: str, owner: str = "svc", uid: str = "uid-svc", **fields: object) -> Manifest:
    reference = {"kind": "InferenceService", "name": owner, "uid": uid, "controller": True}
    return _object(kind, name, ownerReferences=[reference]) | fields


def _runtime(kind: str = "ServingRuntime", containers: object = None) -> Manifest:
    spec = {"containers": containers if containers is not None else [{"name": "kserve-container"}]}
    body = _object(kind, "r") | {"spec": spec}
    if kind == "ClusterServingRuntime":
        del body["metadata"]["namespace"]
    return body


def test_metadata_is_read_with_what_decisions_need() -> None:
    meta = meta_of(
        {
            "metadata": {
                "name": "n",
                "labels": None,
                "annotations": {"a": "b"},
                "ownerReferences": [{"uid": "u1"}, {"uid": "u2"}],
                "deletionTimestamp": "now",
            }
        }
    )
    assert (meta.name, meta.namespace, meta.generation, meta.labels) == ("n", "", 0, {})
    assert (meta.annotations, meta.owner_uids, meta.deleting) == ({"a": "b"}, frozenset({"u1", "u2"}), True)


def test_a_key_is_written_as_people_write_it() -> None:
    assert str(SVC) == "ns/svc"


def test_a_service_rings_its_own_bell(isvc: Build) -> None:
    store = Store()
    assert store.put(isvc(status={"url": "u"})) == {SVC}
    assert store.services[SVC].value is not None
    assert store.services[SVC].status == {"url": "u"}
    assert store.forget(isvc()) == {SVC}
    assert store.services == {}


def test_an_unreadable_object_is_kept_with_the_reason(isvc: Build, tm: Build) -> None:
    store = Store()
    store.put(isvc({"minReplicas": "many"}))
    store.put(tm("m", storageUri="ftp://x/y"))
    assert store.services[SVC].value is None
    assert "spec.predictor.minReplicas" in (store.services[SVC].error or "")
    (model,) = store.models_of(SVC)
    assert "spec.model.storageUri" in (model.error or "")


def test_models_are_listed_oldest_first(tm: Build) -> None:
    store = Store()
    for name, created in (("c", "2026-01-02"), ("b", "2026-01-01"), ("a", "2026-01-02")):
        assert store.put(tm(name, created=created)) == {SVC}
    assert [model.meta.name for model in store.models_of(SVC)] == ["b", "a", "c"]
    assert store.models_of(OTHER) == ()


def test_a_model_that_moves_rings_both_bells(tm: Build) -> None:
    store = Store()
    store.put(tm("m"))
    moved = tm("m")
    moved["spec"]["inferenceService"] = "other"
    assert store.put(moved) == {SVC, OTHER}
    assert store.models_of(SVC) == ()
    assert [model.meta.name for model in store.models_of(OTHER)] == ["m"]
    assert set(store.keys()) == {OTHER}
    assert store.forget(moved) == {OTHER}
    assert set(store.keys()) == set()


@pytest.mark.parametrize("spec", [None, {"inferenceService": 3}], ids=["none", "not-a-name"])
def test_a_model_that_names_nothing_concerns_nobody(tm: Build, spec: object) -> None:
    assert Store().put(tm("m") | {"spec": spec}) == set()


def test_a_runtime_concerns_the_services_that_may_use_it(isvc: Build) -> None:
    store = Store()
    store.put(isvc(name="custom"))
    store.put(isvc({"pytorch": {}}))
    store.put(isvc({"model": {}}, name="other"))
    far = isvc({"pytorch": {}}, name="far") | {}
    far["metadata"]["namespace"] = "elsewhere"
    store.put(far)
    assert store.put(_runtime()) == {SVC, OTHER}
    assert store.put(_runtime("ClusterServingRuntime")) == {SVC, OTHER, Key("elsewhere", "far")}
    assert [(r.meta.name, r.cluster_scoped) for r in store.runtimes_for("ns")] == [("r", False), ("r", True)]
    assert [r.cluster_scoped for r in store.runtimes_for("elsewhere")] == [True]


def test_a_runtime_that_goes_or_cannot_be_read_is_no_runtime() -> None:
    store = Store()
    store.put(_runtime())
    store.put(_runtime(containers=[]))
    assert store.runtimes_for("ns") == ()
    store.put(_runtime())
    store.forget(_runtime())
    assert store.runtimes_for("ns") == ()


def test_pods_belong_to_the_service_of_their_label() -> None:
    store = Store()
    label = {"serving.kserve.io/inferenceservice": "svc"}
    late = _object("Pod", "a", creationTimestamp="2026-01-02", labels=label)
    early = _object("Pod", "b", creationTimestamp="2026-01-01", labels=label)
    assert store.put(late) | store.put(early) == {SVC}
    assert store.put(_object("Pod", "c")) == set()
    assert [pod["metadata"]["name"] for pod in store.pods_of(SVC)] == ["b", "a"]
    relabelled = _object("Pod", "a", labels={"serving.kserve.io/inferenceservice": "other"})
    assert store.put(relabelled) == {SVC, OTHER}
    assert store.forget(early) == {SVC}
    assert store.pods_of(SVC) == ()


def test_children_belong_to_the_service_that_controls_them(isvc: Build) -> None:
    store = Store()
    store.put(isvc())
    deployment = _child("Deployment", "svc-predictor", spec={"replicas": 1})
    assert store.put(deployment) == {SVC}
    assert store.children_of(SVC) == ({("Deployment", "svc-predictor"): deployment}, frozenset())
    assert SVC in store.forget(deployment)
    assert store.children_of(SVC) == ({}, frozenset())


def test_a_childs_name_held_by_somebody_else_is_foreign_until_it_is_free(isvc: Build) -> None:
    store = Store()
    store.put(isvc())
    stranger = _object("Service", "svc-predictor", ownerReferences=[{"kind": "Other", "name": "svc", "uid": "x"}])
    store.put(stranger)
    assert store.children_of(SVC) == ({}, frozenset({("Service", "svc-predictor")}))
    assert store.forget(stranger) == {SVC}
    assert store.children_of(SVC) == ({}, frozenset())


def test_a_child_of_an_earlier_service_of_the_same_name_is_foreign(isvc: Build) -> None:
    store = Store()
    store.put(isvc())
    store.put(_child("Deployment", "svc-predictor", uid="uid-earlier"))
    assert store.children_of(SVC) == ({}, frozenset({("Deployment", "svc-predictor")}))


def test_a_child_that_is_taken_away_rings_its_former_owner(isvc: Build) -> None:
    store = Store()
    store.put(isvc())
    store.put(_child("Service", "svc"))
    assert store.put(_object("Service", "svc")) == {SVC}
    assert store.children_of(SVC)[1] == frozenset({("Service", "svc")})


def test_an_older_version_changes_nothing_and_rings_nobody(isvc: Build) -> None:
    store = Store()
    newer = isvc(resourceVersion="10", generation=2)
    assert store.put(newer) == {SVC}
    assert store.put(newer) == set()
    assert store.put(isvc(resourceVersion="9", generation=1)) == set()
    assert store.services[SVC].meta.generation == 2


def test_a_successor_survives_the_late_news_of_its_predecessors_end(isvc: Build) -> None:
    store = Store()
    store.put(isvc(uid="first", resourceVersion="5"))
    assert store.put(isvc(uid="second", resourceVersion="3")) == {SVC}
    assert store.forget(isvc(uid="first")) == set()
    assert store.services[SVC].meta.uid == "second"


def test_what_a_paused_watch_missed_is_found(isvc: Build) -> None:
    store = Store()
    store.put(isvc(resourceVersion="1"))
    store.put(isvc(name="other", uid="uid-other", resourceVersion="2"))
    store.put(isvc(name="younger", uid="uid-younger", resourceVersion="9"))
    missed = store.vanished("InferenceService", [isvc()], 5)
    assert [body["metadata"]["name"] for body in missed] == ["other"]
    assert store.forget(missed[0]) == {OTHER}
    assert store.vanished("InferenceService", [isvc()], 5) == []


def test_a_childs_status_is_news_only_where_somebody_reads_it(isvc: Build) -> None:
    store = Store()
    store.put(isvc())
    owner = {"kind": "InferenceService", "name": "svc", "uid": isvc()["metadata"]["uid"], "controller": True}

    def child(kind: str, version: str, **parts: Any) -> Manifest:
        meta = {"name": "svc", "namespace": SVC.namespace, "uid": kind, "ownerReferences": [owner]}
        return {"kind": kind, "metadata": meta | {"resourceVersion": version}} | parts

    assert store.put(child("Ingress", "1", spec={"a": 1})) == {SVC}
    assert store.put(child("Ingress", "2", spec={"a": 1}, status={"loadBalancer": {}})) == set()
    assert store.put(child("Ingress", "3", spec={"a": 2})) == {SVC}
    assert store.children_of(SVC)[0]["Ingress", "svc"]["spec"] == {"a": 2}
    assert store.put(child("Deployment", "4", spec={})) == {SVC}
    assert store.put(child("Deployment", "5", spec={}, status={"readyReplicas": 1})) == {SVC}
