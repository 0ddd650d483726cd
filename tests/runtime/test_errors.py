"""docs/protocols.md's table of errors is the code's: every error, its HTTP status, its gRPC code and its text."""

from pathlib import Path

import pytest

from mooring_runtime import errors
from mooring_runtime.errors import (
    DeadlineExceeded,
    ModelNotFound,
    ModelNotReady,
    QueueFull,
    RequestTooLarge,
    ServerNotReady,
    ServingError,
)
from mooring_runtime.grpc_api import errors as grpc_errors
from mooring_runtime.rest_api import errors as rest_errors

PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"


def documented() -> dict[str, tuple[str, str, str]]:
    """HTTP status, gRPC code and text by the error's name."""
    section = PAGE.read_text(encoding="utf-8").split("\n## Errors\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if "| `" in line]
    return {row[0].strip("`"): (row[1], row[2].strip("`"), row[3]) for row in rows if row[0].startswith("`")}


def test_both_transports_map_the_same_errors_and_the_page_has_them() -> None:
    by_name = {error.__name__: error for error in rest_errors.STATUS}
    assert rest_errors.STATUS.keys() == grpc_errors.STATUS.keys()
    assert documented().keys() == by_name.keys()
    for name, (status, code, _) in documented().items():
        error = by_name[name]
        assert status.split(",")[0] == str(rest_errors.STATUS[error].value), name
        assert code == grpc_errors.STATUS[error].name, name


def test_every_error_that_a_request_may_meet_is_mapped() -> None:
    tree = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ServingError)]
    mapped = (*rest_errors.STATUS, errors.StartupError)  # the latter ends the server
    assert {each for each in tree if not issubclass(each, mapped)} == {ServingError}


@pytest.mark.parametrize(
    "error",
    [
        ModelNotFound("NAME"),
        ModelNotReady("NAME"),
        RequestTooLarge(1024),
        QueueFull("NAME", 256),
        DeadlineExceeded("NAME", 2.5),
        ServerNotReady(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_page_has_the_text_and_both_transports_tell_it(error: ServingError) -> None:
    status, code, text = documented()[type(error).__name__]
    assert text.startswith(f"`{error}`")
    answer = rest_errors.error_response(error)
    assert answer.body == b'{"error":"%s"}' % str(error).encode()
    assert ("Retry-After: " + answer.headers["retry-after"] if "retry-after" in answer.headers else "") in status
    assert grpc_errors.status_of(error)[1] == str(error)
    assert grpc_errors.status_of(error)[0].name == code
