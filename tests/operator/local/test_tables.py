"""The tables of kubectl."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_operator.local.tables import BY_ALIAS, age, align, render

NOW = datetime(2026, 11, 21, 12, 0, 22, tzinfo=UTC)
CREATED = "2026-11-21T12:00:00Z"


def body(name: str, status: dict[str, Any], spec: dict[str, Any] | None = None) -> dict[str, Any]:
    meta = {"name": name, "namespace": "default", "creationTimestamp": CREATED}
    return {"metadata": meta, "spec": spec or {}, "status": status}


def ready(status: str) -> list[dict[str, str]]:
    return [{"type": "Ready", "status": status}]


def test_inference_services_look_as_in_kserves_walk_through() -> None:
    traffic = [{"latestRevision": True, "percent": 100, "revisionName": "custom-model-mms-predictor-default-xxxxx"}]
    status = {
        "url": "http://custom-model-mms.default.example.com",
        "conditions": ready("True"),
        "components": {"predictor": {"traffic": traffic}},
    }
    assert render(BY_ALIAS["isvc"], [body("custom-model-mms", status)], NOW) == (
        "NAME               URL                                           READY   PREV   LATEST   "
        "PREVROLLEDOUTREVISION   LATESTREADYREVISION                        AGE\n"
        "custom-model-mms   http://custom-model-mms.default.example.com   True           100      "
        "                        custom-model-mms-predictor-default-xxxxx   22s\n"
    )


def test_trained_models_look_as_in_kserves_walk_through() -> None:
    url = "http://custom-model-mms.default.example.com/v2/models/model1-custom/infer"
    status = {"url": url, "conditions": ready("True")}
    assert render(BY_ALIAS["tm"], [body("model1-custom", status)], NOW) == (
        f"{'NAME':13}   {'URL':{len(url)}}   READY   AGE\nmodel1-custom   {url}   True    22s\n"
    )


def test_runtimes_show_formats_and_containers() -> None:
    spec = {
        "supportedModelFormats": [{"name": "pytorch"}, {"name": "onnx"}],
        "containers": [{"name": "kserve-container"}],
        "disabled": True,
    }
    assert render(BY_ALIAS["runtimes"], [body("r", {}, spec)], NOW) == (
        "NAME   DISABLED   MODELTYPE      CONTAINERS         AGE\n"
        "r      true       pytorch,onnx   kserve-container   22s\n"
    )


def test_all_namespaces_adds_a_column() -> None:
    assert render(BY_ALIAS["tm"], [body("a", {})], NOW, all_namespaces=True).startswith("NAMESPACE   NAME   URL")


@pytest.mark.parametrize(
    ("waiting", "deleting", "expected"),
    [(None, False, "Running"), ("CrashLoopBackOff", False, "CrashLoopBackOff"), (None, True, "Terminating")],
)
def test_a_pods_status_says_what_hinders_it(waiting: str | None, deleting: bool, expected: str) -> None:
    state = {"waiting": {"reason": waiting}} if waiting else {"running": {}}
    pod = body("p", {"phase": "Running", "containerStatuses": [{"ready": True, "restartCount": 2, "state": state}]})
    if deleting:
        pod["metadata"]["deletionTimestamp"] = CREATED
    cells = render(BY_ALIAS["pods"], [pod], NOW).splitlines()[1].split()
    assert cells == ["p", "1/1", expected, "2", "22s"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        *[(0, "0s"), (119, "119s"), (120, "2m"), (185, "3m5s"), (660, "11m"), (3 * 3600 - 1, "179m"), (18120, "5h2m")],
        *[(8 * 3600, "8h"), (47 * 3600, "47h"), (76 * 3600, "3d4h"), (9 * 86400, "9d"), (800 * 86400, "2y70d")],
    ],
)
def test_ages_are_kubectls(seconds: int, expected: str) -> None:
    assert age((NOW - timedelta(seconds=seconds)).isoformat(), NOW) == expected


@given(st.lists(st.lists(st.text("abc", max_size=5), min_size=3, max_size=3), min_size=1))
def test_columns_begin_at_the_same_place(rows: list[list[str]]) -> None:
    lines = align(rows).splitlines()
    starts = [
        max(len(row[0]) for row in rows) + 3,
        max(len(row[0]) for row in rows) + max(len(row[1]) for row in rows) + 6,
    ]
    for row, line in zip(rows, lines, strict=True):
        assert line[starts[1] :] == row[2]
        assert line[starts[0] :].startswith(row[1])
