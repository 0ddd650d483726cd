"""KServe by gRPC, and MLServer by both wires: their recorded answers, or those agreed on in `differences_SUITE.yaml`.

KServe by REST has a file of its own, `test_kserve_answers.py`.
"""

import json
from typing import Any

import pytest
import yaml
from tests.contract.answers import GOLDEN, HERE, Answer, read_requests
from tests.contract.grpc_answers import read_grpc_requests
from tests.contract.suites import KSERVE, MLSERVER, MLSERVER_REQUESTS, SUITES, Suite, comparable, our_server

PAGE = HERE.parent.parent / "docs" / "compatibility.md"
HEADINGS = {
    "kserve_grpc": "The runtime over gRPC",
    "mlserver": "The runtime beside MLServer",
    "mlserver_grpc": "The runtime beside MLServer, over gRPC",
}
COMPARED = [suite for suite in SUITES if suite.name in HEADINGS]
NAMES = {
    "kserve_grpc": [request.name for request in read_grpc_requests(KSERVE)],
    "mlserver": [request.name for request in read_requests(MLSERVER_REQUESTS)],
    "mlserver_grpc": [request.name for request in read_grpc_requests(MLSERVER)],
}
THEIRS: dict[str, dict[str, Answer]] = {
    suite.name: json.loads((GOLDEN / f"{suite.name}.json").read_text(encoding="utf-8"))["answers"] for suite in COMPARED
}
GROUPS: dict[str, list[dict[str, Any]]] = {
    suite.name: yaml.safe_load((HERE / f"differences_{suite.name}.yaml").read_text(encoding="utf-8"))
    for suite in COMPARED
}
AGREED: dict[str, list[tuple[str, Answer]]] = {
    name: [pair for group in groups for pair in group["answers"].items()] for name, groups in GROUPS.items()
}
each_suite = pytest.mark.parametrize("suite", COMPARED, ids=lambda suite: suite.name)


@pytest.fixture(scope="module")
def ours() -> dict[str, dict[str, Answer]]:
    """Answers by suite and request; each suite has a server of its own, since requests change it."""
    answers = {}
    for suite in COMPARED:
        with our_server(suite.peer) as server:
            port = server.http.base_url.port
            assert port is not None
            answers[suite.name] = suite.ask_all(port, server.grpc_port)
    return answers


@pytest.mark.parametrize(
    ("suite", "name"),
    [pytest.param(suite, name, id=f"{suite.name}-{name}") for suite in COMPARED for name in NAMES[suite.name]],
)
def test_the_answer_is_the_peer_s_or_the_agreed_one(
    ours: dict[str, dict[str, Answer]], suite: Suite, name: str
) -> None:
    expected = dict(AGREED[suite.name]).get(name, THEIRS[suite.name][name])
    assert comparable(suite.peer, ours[suite.name][name]) == comparable(suite.peer, expected)


@each_suite
def test_every_request_has_one_name_and_a_recorded_answer(suite: Suite) -> None:
    assert list(THEIRS[suite.name]) == NAMES[suite.name]


@each_suite
def test_differences_are_of_requests_in_the_list_and_are_some(suite: Suite) -> None:
    names = [name for name, _ in AGREED[suite.name]]
    assert len(set(names)) == len(names)
    assert set(names) <= set(NAMES[suite.name])
    same = [
        name
        for name, answer in AGREED[suite.name]
        if comparable(suite.peer, answer) == comparable(suite.peer, THEIRS[suite.name][name])
    ]
    assert same == []


@each_suite
def test_the_page_gives_exactly_the_reasons_of_the_differences(suite: Suite) -> None:
    _, found, rest = PAGE.read_text(encoding="utf-8").partition(f"## {HEADINGS[suite.name]}\n")
    assert found
    rows = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    reasons = [row.split(" | ")[-1].removesuffix(" |") for row in rows]
    assert reasons == [group["reason"] for group in GROUPS[suite.name]]


@pytest.mark.parametrize(
    ("theirs", "ours", "alike"),
    [
        ({"headers": {"ce-id": "1"}, "body": 1}, {"headers": {}, "body": 1}, True),
        ({"body": {"id": "7"}}, {"body": {"id": "7", "parameters": None}}, True),
        ({"body": {"data": [0, None]}}, {"body": {"data": [0]}}, False),
        ({"status": 400}, {"status": 503}, False),
        ({"body": ""}, {"body": {"live": True}}, False),
        ({"body": []}, {}, False),
    ],
)
def test_only_unset_fields_and_ce_headers_are_left_out_beside_mlserver(
    theirs: Answer, ours: Answer, alike: bool
) -> None:
    assert (comparable(MLSERVER, theirs) == comparable(MLSERVER, ours)) is alike
