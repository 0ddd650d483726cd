"""The object store follows an API server's rules."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_operator.core.observed import Manifest
from mooring_operator.local.objects import Change, Id, Objects


def thing(name: str = "a", kind: str = "Service", spec: Any = None, **meta: Any) -> Manifest:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "ns"} | meta, "spec": spec or {}}


def owned_by(owner: Manifest) -> dict[str, Any]:
    reference = {"kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    return {"ownerReferences": [reference]}


def test_a_new_object_gets_uid_generation_and_creation_time() -> None:
    meta = Objects().apply(thing())["metadata"]
    assert meta["uid"]
    assert meta["generation"] == 1
    assert meta["creationTimestamp"].endswith("Z")


def test_generation_counts_changes_of_the_spec_alone() -> None:
    objects = Objects()
    objects.apply(thing())
    assert objects.apply(thing(labels={"a": "b"}))["metadata"]["generation"] == 1
    assert objects.set_status(Id("Service", "ns", "a"), {"ok": True})["metadata"]["generation"] == 1  # type: ignore[index]  # it is there
    assert objects.apply(thing(spec={"x": 1}))["metadata"]["generation"] == 2


def test_a_write_that_changes_nothing_is_silent() -> None:
    objects, changes = Objects(), list[Change]()
    live = objects.apply(thing(spec={"x": 1}))
    objects.subscribe(changes.append)
    assert objects.apply(thing(spec={"x": 1})) is live
    assert changes == []


def test_status_survives_an_apply() -> None:
    objects = Objects()
    objects.apply(thing())
    objects.set_status(Id("Service", "ns", "a"), {"ok": True})
    assert objects.apply(thing(spec={"x": 1}))["status"] == {"ok": True}


def test_an_apply_drops_its_own_labels_and_keeps_those_of_others() -> None:
    objects = Objects()
    objects.apply(thing(labels={"mine": "1", "old": "1"}))
    objects.patch_metadata(Id("Service", "ns", "a"), labels={"theirs": "1"})
    assert objects.apply(thing(labels={"mine": "2"}))["metadata"]["labels"] == {"mine": "2", "theirs": "1"}


def test_removal_takes_owned_objects_along_but_not_pods() -> None:
    objects = Objects()
    root = objects.apply(thing("root", "InferenceService"))
    child = objects.apply(thing("child", "Deployment", **owned_by(root)))
    objects.apply(thing("grandchild", "ConfigMap", **owned_by(child)))
    objects.apply(thing("pod", "Pod", **owned_by(child)))
    objects.apply(thing("other", "ConfigMap"))
    objects.remove(Id("InferenceService", "ns", "root"))
    assert sorted(key.name for key in objects) == ["other", "pod"]


def test_removal_with_another_uid_removes_nothing() -> None:
    objects = Objects()
    objects.apply(thing())
    assert not objects.remove(Id("Service", "ns", "a"), "another")
    assert objects.get(Id("Service", "ns", "a")) is not None


def test_an_object_made_again_is_a_new_one() -> None:
    objects = Objects()
    before = objects.apply(thing())["metadata"]["uid"]
    objects.remove(Id("Service", "ns", "a"))
    assert objects.apply(thing())["metadata"]["uid"] != before


@pytest.mark.parametrize("method", ["patch_metadata", "set_status"])
def test_writes_to_an_object_that_is_gone_do_nothing(method: str) -> None:
    key = Id("Service", "ns", "gone")
    objects = Objects()
    arguments: dict[str, Any] = {"labels": {"a": "b"}} if method == "patch_metadata" else {"status": {}}
    assert getattr(objects, method)(key, **arguments) is None


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 3))))
def test_versions_grow_and_generations_never_fall(specs: list[dict[str, int]]) -> None:
    objects = Objects()
    seen = [objects.apply(thing(spec=spec))["metadata"] for spec in specs]
    for before, after in itertools.pairwise(seen):
        assert int(after["resourceVersion"]) >= int(before["resourceVersion"])
        assert after["generation"] >= before["generation"]
        assert after["uid"] == before["uid"]
