"""The request list on ours: KServe's recorded answers, or those agreed on in `differences.yaml`."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.contract.answers import GOLDEN, HERE, MODELS, Answer, ask, read_requests
from tests.runtime.launched import launched

PAGE = HERE.parent.parent / "docs" / "compatibility.md"
REQUESTS = read_requests()
KSERVE: dict[str, Answer] = json.loads((GOLDEN / "kserve.json").read_text())["answers"]
GROUPS: list[dict[str, Any]] = yaml.safe_load((HERE / "differences.yaml").read_text())
USUAL = {"headers": {"content-type": "application/json"}, "keeps_connection": True}
AGREED = [(name, {**USUAL, **answer}) for group in GROUPS for name, answer in group["answers"].items()]


@pytest.fixture(scope="module")
def ours() -> Iterator[dict[str, Answer]]:
    """Answers by request."""
    with launched(MODELS) as server:
        port = server.http.base_url.port
        assert port is not None
        yield {request.name: ask(port, request) for request in REQUESTS}


@pytest.mark.parametrize("name", [request.name for request in REQUESTS])
def test_the_answer_is_kserve_s_or_the_agreed_one(ours: dict[str, Answer], name: str) -> None:
    assert ours[name] == dict(AGREED).get(name, KSERVE[name])


def test_every_request_has_one_name_and_a_recorded_answer() -> None:
    names = [request.name for request in REQUESTS]
    assert len(set(names)) == len(names)
    assert set(names) == set(KSERVE)


def test_differences_are_of_requests_in_the_list_and_are_some() -> None:
    names = [name for name, _ in AGREED]
    assert len(set(names)) == len(names)
    assert set(names) <= set(KSERVE)
    assert [name for name, answer in AGREED if answer == KSERVE[name]] == []


def test_the_page_gives_exactly_the_reasons_of_the_differences() -> None:
    _, _, section = PAGE.read_text().partition("## The runtime\n")
    rows = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[-1].removesuffix(" |") for row in rows] == [group["reason"] for group in GROUPS]
