import os
from datetime import UTC, datetime
from typing import Any

import pytest

from mooring_runtime.errors import StartupError
from mooring_runtime.rest_api.access_log import ATOMS, Exchange, check_format, write_line

SCOPE: dict[str, Any] = {
    "method": "POST",
    "path": "/v1/models/m:predict",
    "raw_path": b"/v1/models/m%3Apredict",
    "query_string": b"a=1",
    "http_version": "1.1",
    "client": ("10.0.0.9", 4711),
    "headers": [(b"user-agent", b"curl/8"), (b"x-mine", b"yes")],
}


def exchange() -> Exchange:
    return Exchange(
        SCOPE, datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC), 1.2345, 404, [(b"content-type", b"text/plain")], 12
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            '%(client_addr)s - "%(request_line)s" %(status_code)s',
            '10.0.0.9:4711 - "POST /v1/models/m%3Apredict?a=1 HTTP/1.1" 404 Not Found',
        ),
        ("%(h)s %(l)s %(u)s %(t)s", "10.0.0.9 - - [03/Feb/2026:04:05:06 +0000]"),
        ("%(m)s %(U)s %(q)s %(H)s %(s)s %(st)s", "POST /v1/models/m%3Apredict a=1 HTTP/1.1 404 Not Found"),
        ("%(B)s %(b)s %(f)s %(a)s", "12 12 - curl/8"),
        ("%(T)s %(M)s %(D)s %(L)s", "1 1234 1234500 1.234500"),
        ("%({X-Mine}i)s %({Content-Type}o)s %({absent}i)s", "yes text/plain -"),
        ("100%% plain", "100%% plain"),
    ],
)
def test_a_line_is_written_as_the_format_says(text: str, line: str) -> None:
    check_format(text)
    assert write_line(text, exchange()) == line


def test_a_variable_of_the_environment_may_be_written() -> None:
    assert write_line("%({PATH}e)s", exchange()) == os.environ["PATH"]


@pytest.mark.parametrize("atom", sorted(ATOMS))
def test_every_atom_writes_something(atom: str) -> None:
    assert write_line(f"%({atom})s", exchange())


def test_an_atom_that_there_is_none_of_is_told_with_those_there_are() -> None:
    with pytest.raises(StartupError, match=r"no %\(nothing\)s.*status_code"):
        check_format("%(nothing)s")
