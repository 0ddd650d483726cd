from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from mooring_api.model_config import download_id
from mooring_api.v1alpha1 import ModelSpec, TrainedModel
from mooring_operator.core.checks import Rejection
from mooring_operator.core.conditions import Finding
from mooring_operator.core.model_status import Serving, model_status, models_by_agent
from mooring_operator.core.observed import AgentReport, Manifest, Meta, Parsed
from mooring_operator.core.pods import pod_views
from mooring_operator.store import parse

Build = Callable[..., Manifest]
Report = Callable[..., AgentReport]
WANTED = download_id(ModelSpec(storage_uri="s3://models/m", framework="pytorch", memory="1"))
OTHER = "f" * 64
LOADED = {"state": "Loaded", "wanted_id": WANTED, "loaded_id": WANTED}


def _serving(pods: list[Manifest], agents: dict[str, AgentReport], **fields: Any) -> Serving:
    ready = Serving("svc", Finding("Ready", True), url="http://out", address="http://in", pods=pod_views(pods))
    return replace(ready, agents=agents, models=models_by_agent(agents), **fields)


def _status(tm: Build, serving: Serving, now: datetime) -> Manifest:
    return model_status(parse(TrainedModel, tm("m")), None, serving, now).to_wire()


def test_a_model_is_ready_when_every_ready_pod_has_it(
    tm: Build, pod: Build, report: Report, now: datetime, condition: Callable[..., Manifest]
) -> None:
    serving = _serving([pod("a"), pod("b"), pod("c", ready=False)], {f"uid-{p}": report(m=LOADED) for p in "ab"})
    status = _status(tm, serving, now)
    assert [entry["type"] for entry in status["conditions"]] == [
        "InferenceServiceReady",
        "IsMMSPredictor",
        "MemoryResourceAvailable",
        "ModelLoaded",
        "Ready",
    ]
    assert {entry["status"] for entry in status["conditions"]} == {"True"}
    assert (status["modelState"], status["copies"]) == ("Loaded", {"total": 2, "loaded": 2, "failed": 0})
    assert status["url"] == "http://out/v2/models/m/infer"
    assert status["address"] == {"url": "http://in/v2/models/m/infer"}
    assert status["observedGeneration"] == 1


@pytest.mark.parametrize(("protocol", "path"), [("v1", "/v1/models/m:predict"), ("grpc-v2", "")], ids=["v1", "grpc"])
def test_the_url_follows_the_protocol(tm: Build, now: datetime, protocol: str, path: str) -> None:
    assert _status(tm, _serving([], {}, protocol=protocol), now)["url"] == f"http://out{path}"


@pytest.mark.parametrize(
    ("fields", "reason", "state", "told"),
    [
        (
            {"state": "Downloading", "wanted_id": WANTED},
            "Downloading",
            "Loading",
            "Pod b has the model in state Downloading.",
        ),
        ({"state": "Loading", "wanted_id": WANTED}, "Loading", "Loading", "state Loading"),
        ({"state": "Pending", "wanted_id": WANTED}, "Pending", "Pending", "state Pending"),
        (
            {"state": "Loaded", "wanted_id": OTHER, "loaded_id": OTHER},
            "Pending",
            "Pending",
            "has not seen the newest version yet. The version before it still serves.",
        ),
        (
            {"state": "Downloading", "wanted_id": WANTED, "loaded_id": OTHER},
            "Downloading",
            "Loading",
            "The version before it still serves.",
        ),
    ],
    ids=["downloading", "loading", "pending", "older-list", "newer-version"],
)
def test_one_pod_that_is_not_there_yet_makes_the_model_wait(
    tm: Build,
    pod: Build,
    report: Report,
    now: datetime,
    condition: Callable[..., Manifest],
    fields: Manifest,
    reason: str,
    state: str,
    told: str,
) -> None:
    serving = _serving([pod("a"), pod("b")], {"uid-a": report(m=LOADED), "uid-b": report(m=fields)})
    status = _status(tm, serving, now)
    assert condition(status, "ModelLoaded")["reason"] == condition(status, "Ready")["reason"] == reason
    assert told in condition(status, "ModelLoaded")["message"]
    assert (status["modelState"], status["copies"]["loaded"]) == (state, 1)


def test_a_failure_shows_the_agents_words_the_pod_and_the_next_attempt(
    tm: Build,
    pod: Build,
    report: Report,
    failure: Build,
    now: datetime,
    condition: Callable[..., Manifest],
) -> None:
    failed = report(m=failure(WANTED, next_retry="2026-11-21T12:00:05Z"))
    waits = report(m={"state": "Loading", "wanted_id": WANTED})
    status = _status(tm, _serving([pod("a"), pod("b")], {"uid-a": waits, "uid-b": failed}), now)
    loaded = condition(status, "ModelLoaded")
    assert (loaded["status"], loaded["reason"]) == ("False", "BucketNotFound")
    assert loaded["message"] == "BucketNotFound happened (pod b, next attempt at 2026-11-21T12:00:05Z)"
    assert (status["modelState"], status["copies"]["failed"]) == ("FailedToLoad", 1)


def test_the_reason_of_a_failure_stays_while_the_next_attempt_runs(
    tm: Build, pod: Build, report: Report, failure: Build, now: datetime, condition: Callable[..., Manifest]
) -> None:
    again = report(m=failure(WANTED, state="Downloading", loaded_id=OTHER))
    loaded = condition(_status(tm, _serving([pod("a")], {"uid-a": again}), now), "ModelLoaded")
    assert loaded["reason"] == "BucketNotFound"
    assert loaded["message"].endswith("(pod a, trying again now) The version before it still serves.")


def test_an_error_about_an_older_version_is_not_told_of_the_newer(
    tm: Build, pod: Build, report: Report, failure: Build, now: datetime, condition: Callable[..., Manifest]
) -> None:
    status = _status(tm, _serving([pod("a")], {"uid-a": report(m=failure(OTHER))}), now)
    assert condition(status, "ModelLoaded")["reason"] == "Pending"


@pytest.mark.parametrize(
    ("agents", "agent", "reason", "told"),
    [
        ({}, True, "Pending", "has not seen the model yet"),
        ({"uid-a": AgentReport(None, "connection refused")}, True, "AgentUnreachable", "connection refused"),
        ({}, False, "Pending", "is being replaced"),
    ],
    ids=["no-word-yet", "unreachable", "no-agent"],
)
def test_a_pod_whose_agent_says_nothing_counts_as_not_loaded(
    tm: Build,
    pod: Build,
    now: datetime,
    condition: Callable[..., Manifest],
    agents: dict[str, AgentReport],
    agent: bool,
    reason: str,
    told: str,
) -> None:
    loaded = condition(_status(tm, _serving([pod("a", agent=agent)], agents), now), "ModelLoaded")
    assert (loaded["status"], loaded["reason"]) == ("False", reason)
    assert told in loaded["message"]


def test_a_starting_operator_believes_the_last_status_until_it_hears_the_agents(
    tm: Build, pod: Build, report: Report, now: datetime, condition: Callable[..., Manifest]
) -> None:
    heard = _serving([pod("a")], {"uid-a": report(m=LOADED)})
    before = _status(tm, heard, now)
    unheard = _serving([pod("a")], {})
    model = parse(TrainedModel, tm("m", status=before))
    assert model_status(model, None, unheard, now).to_wire() == before
    newer = parse(TrainedModel, tm("m", status=before, generation=2))
    assert condition(model_status(newer, None, unheard, now).to_wire(), "ModelLoaded")["reason"] == "Pending"
    gone = _serving([pod("a")], {"uid-a": report()})
    assert condition(model_status(model, None, gone, now).to_wire(), "ModelLoaded")["status"] == "False"


def test_without_a_ready_pod_only_failures_are_told(
    tm: Build, pod: Build, report: Report, failure: Build, now: datetime, condition: Callable[..., Manifest]
) -> None:
    starting = pod("a", ready=False)
    unready = Finding("Ready", False, "MinimumReplicasUnavailable", "Waiting.")
    quiet = _status(tm, _serving([starting], {"uid-a": report(m=LOADED)}, ready=unready), now)
    failed = _status(tm, _serving([starting], {"uid-a": report(m=failure(WANTED))}, ready=unready), now)
    assert condition(quiet, "ModelLoaded")["message"] == "No pod of InferenceService svc is ready yet."
    assert condition(quiet, "Ready")["reason"] == "InferenceServiceNotReady"
    assert condition(quiet, "Ready")["message"] == "InferenceService svc is not ready: Waiting."
    assert condition(failed, "Ready")["reason"] == "BucketNotFound"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("InferenceServiceReady", ["False", "Unknown", "Unknown", "False", "False"]),
        ("IsMMSPredictor", ["True", "False", "Unknown", "False", "False"]),
        ("MemoryResourceAvailable", ["True", "True", "False", "False", "False"]),
        ("ModelLoaded", ["True", "True", "Unknown", "False", "False"]),
    ],
)
def test_a_rejection_is_the_reason_of_ready_and_leaves_the_rest_unknown(
    tm: Build, now: datetime, condition: Callable[..., Manifest], kind: str, expected: list[str]
) -> None:
    model = parse(TrainedModel, tm("m"))
    status = model_status(model, Rejection(kind, "Why", "what to do"), _serving([], {}), now).to_wire()
    assert [entry["status"] for entry in status["conditions"]] == expected
    assert (condition(status, "Ready")["reason"], condition(status, "ModelLoaded")["reason"]) == ("Why", "Why")
    assert status["modelState"] == "Rejected"
    assert "url" not in status


def test_an_unreadable_model_is_rejected_even_if_nobody_says_why(
    now: datetime, condition: Callable[..., Manifest]
) -> None:
    model: Parsed[TrainedModel] = Parsed(Meta("m", "ns"), None, "spec: bad")
    status = model_status(model, None, Serving("svc", Finding("Ready", False)), now).to_wire()
    assert condition(status, "ModelLoaded")["reason"] == "InvalidSpec"
    assert "not been looked at" in condition(status, "InferenceServiceReady")["message"]
