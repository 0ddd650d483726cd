"""Every endpoint, asked what its OpenAPI allows and what it does not: answers are those it describes, and no 5xx."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from tests.runtime.launched import Running, launched

from mooring_runtime.rest_api.openapi import document

MODELS = Path(__file__).with_name("fuzz_models.py")
NAMES = {"model_name": ["echo", "pairs", "pieces", "absent"], "model_version": ["1", "x"]}


def with_names(described: dict[str, Any]) -> dict[str, Any]:
    """The document with names that there are: made up ones would reach no model."""
    described = deepcopy(described)
    for methods in described["paths"].values():
        for operation in methods.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    parameter["schema"] = {"enum": NAMES[parameter["name"]]}
    return described


schema = schemathesis.openapi.from_dict(with_names(document("mooring runtime", "1")))
schema.config.checks.update(
    included_check_names=[
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "unsupported_method",
        "allow_header_conformance",
    ]
)
TOO_LATE = 504
"""The one error of the server that a client can ask for, by a short timeout."""
schema.config.checks.not_a_server_error.expected_statuses = ["2xx", "4xx", str(TOO_LATE)]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with launched(MODELS, "--enable_latency_logging", "false") as running:
        yield running


@schema.parametrize()
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_what_is_answered_is_what_is_described(case: schemathesis.Case[Any], server: Running) -> None:
    case.call_and_validate(base_url=str(server.http.base_url))
