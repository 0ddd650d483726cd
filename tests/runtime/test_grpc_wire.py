from typing import Any

import pytest

from mooring_runtime import InferRequest
from mooring_runtime.grpc_api.wire import parse_request


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (True, "bool_param"),
        (-(2**63), "int64_param"),
        (2**63 - 1, "int64_param"),
        (2**63, "uint64_param"),
        (2**64 - 1, "uint64_param"),
        (0.5, "double_param"),
        ("a", "string_param"),
    ],
)
def test_parameters_keep_type_and_value(value: Any, field: str) -> None:
    sent = InferRequest("m", [], parameters={"p": value}).to_grpc()
    assert sent.parameters["p"].WhichOneof("parameter_choice") == field
    got = parse_request(sent).parameters["p"]
    assert (type(got), got) == (type(value), value)


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, [1, "a"]])
def test_what_no_field_holds_goes_as_text(value: Any) -> None:
    assert parse_request(InferRequest("m", [], parameters={"p": value}).to_grpc()).parameters == {"p": str(value)}
