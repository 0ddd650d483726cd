"""Drift is told from the server's defaults."""

from copy import deepcopy
from typing import Any

from mooring_operator.core.observed import Key
from mooring_operator.core.plan import Event, Ref
from mooring_operator.ledger import Ledger

OWNER = {"kind": "InferenceService", "name": "svc", "uid": "u", "controller": True}
MANIFEST: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "svc", "namespace": "default", "labels": {"a": "1"}, "ownerReferences": [OWNER]},
    "spec": {"ports": [{"port": 80}]},
}
LIVE: dict[str, Any] = deepcopy(MANIFEST)
LIVE["metadata"] |= {"uid": "x", "resourceVersion": "5"}
LIVE["spec"] |= {"clusterIP": "10.0.0.1"}


def settled_ledger() -> Ledger:
    ledger = Ledger()
    ledger.record(MANIFEST, LIVE)
    return ledger


def test_nothing_is_settled_before_it_was_applied() -> None:
    assert not Ledger().is_settled(MANIFEST, LIVE)


def test_defaults_of_the_server_are_no_drift() -> None:
    later = deepcopy(LIVE)
    later["metadata"]["resourceVersion"] = "9"
    later["status"] = {"loadBalancer": {}}
    later["metadata"]["annotations"] = {"added-by": "somebody"}
    assert settled_ledger().is_settled(MANIFEST, later)


def test_a_changed_spec_is_drift() -> None:
    later = deepcopy(LIVE)
    later["spec"]["ports"][0]["port"] = 81
    assert not settled_ledger().is_settled(MANIFEST, later)


def test_a_removed_label_of_ours_is_drift() -> None:
    later = deepcopy(LIVE)
    later["metadata"]["labels"] = {}
    assert not settled_ledger().is_settled(MANIFEST, later)


def test_a_new_object_of_the_same_name_is_drift() -> None:
    later = deepcopy(LIVE)
    later["metadata"]["uid"] = "y"
    assert not settled_ledger().is_settled(MANIFEST, later)


def test_a_changed_manifest_is_applied_again() -> None:
    wanted = deepcopy(MANIFEST)
    wanted["spec"]["ports"].append({"port": 81})
    assert not settled_ledger().is_settled(wanted, LIVE)


def test_the_generation_speaks_for_the_spec_where_there_is_one() -> None:
    ledger, live = Ledger(), deepcopy(LIVE)
    live["metadata"]["generation"] = 1
    ledger.record(MANIFEST, live)
    live["spec"]["replicas"] = 3
    assert ledger.is_settled(MANIFEST, live)
    live["metadata"]["generation"] = 2
    assert not ledger.is_settled(MANIFEST, live)


def test_a_forgotten_service_starts_afresh() -> None:
    ledger = settled_ledger()
    ledger.forget(Key("default", "svc"))
    assert not ledger.is_settled(MANIFEST, LIVE)


def test_an_event_is_new_once() -> None:
    ledger = Ledger()
    event = Event(Ref("v1", "Service", "default", "svc", "u"), "Normal", "Ready", "it answers")
    assert ledger.is_new(event)
    assert not ledger.is_new(event)
