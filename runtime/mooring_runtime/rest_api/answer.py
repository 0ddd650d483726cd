"""What a request is answered, before anybody knows what carries it: an ASGI response, or bytes on a connection."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import orjson
from starlette.responses import Response, StreamingResponse
from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE

from mooring_runtime.errors import InferenceError

_JSON = {"content-type": "application/json"}
JSON_HEADERS = [(b"content-type", b"application/json")]
"""What `raw_headers` answers, as this very object, for JSON without headers of a model's."""


@dataclass(slots=True)
class Answer:
    """Status, headers and body of a response."""

    body: bytes | str | AsyncIterator[bytes | str]
    """Whole, or piece by piece."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    """Its content type, and what a model wants to be sent with it; not its length."""


def json_answer(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """`value` as a JSON body; numpy arrays are written as lists."""
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Answer(body, status, {**_JSON, **headers} if headers else _JSON)


def raw_headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    """The headers of an answer as they travel; the length of its body is for the transport to tell.

    Raises:
        InferenceError: a model wants a header that there cannot be.
    """
    if answer.headers is _JSON:
        return JSON_HEADERS
    try:
        pairs = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in answer.headers.items()}
    except UnicodeEncodeError as exc:
        raise InferenceError(f"a response header is not Latin-1: {exc.object!r}") from None
    for name, value in pairs.items():
        if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
            raise InferenceError(f"a response header holds what no header may hold: {name!r}: {value!r}")
    pairs.pop(b"content-length", None)
    return list(pairs.items())


def response_of(answer: Answer) -> Response:
    """`answer` for ASGI.

    Raises:
        InferenceError: as `raw_headers`.
    """
    headers = raw_headers(answer)
    body = answer.body
    response = Response(body) if isinstance(body, bytes | str) else StreamingResponse(body)
    response.status_code = answer.status
    response.raw_headers = [*response.raw_headers, *headers]
    return response
