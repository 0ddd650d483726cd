"""Domain errors as HTTP answers: one table, one body, `{"error": text}`."""

from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from mooring_runtime.errors import (
    DeadlineExceeded,
    InferenceError,
    InvalidInput,
    ModelLoadFailed,
    ModelNotFound,
    ModelNotReady,
    NotSupported,
    QueueFull,
    RequestTooLarge,
    ServerNotReady,
    ServingError,
)
from mooring_runtime.logging import logger

STATUS: dict[type[ServingError], HTTPStatus] = {
    InvalidInput: HTTPStatus.BAD_REQUEST,
    RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ModelNotFound: HTTPStatus.NOT_FOUND,
    ModelLoadFailed: HTTPStatus.UNPROCESSABLE_ENTITY,
    ModelNotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    ServerNotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    QueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    NotSupported: HTTPStatus.NOT_IMPLEMENTED,
    InferenceError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

CLIENT_CLOSED_REQUEST = 499
"""nginx's number; nobody reads it but the metrics of a proxy."""

_RETRY_SOON = {HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "1"}}


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`value` as a JSON body; numpy arrays are written as lists."""
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, media_type="application/json")


def error_response(exc: Exception) -> Response:
    """What the client sees of `exc`. One that is not in the table is a bug: logged whole, told by type and text."""
    status = next((STATUS[kind] for kind in type(exc).__mro__ if kind in STATUS), None)
    if status is None:
        logger.error("Unexpected error", exc_info=exc)
        return json_response({"error": f"{type(exc).__name__} : {exc}"}, HTTPStatus.INTERNAL_SERVER_ERROR)
    return json_response({"error": str(exc)}, status, _RETRY_SOON.get(status))


def answering_errors(endpoint: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """Turn errors into answers right at the endpoint.

    Left to the outermost middleware, an unexpected error would make uvicorn close the connection without telling.
    """

    @wraps(endpoint)
    async def guarded(*args: Any, **kwargs: Any) -> Response:
        try:
            return await endpoint(*args, **kwargs)
        except ClientDisconnect:  # half-way through its body
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        except Exception as exc:  # the edge of the transport
            return error_response(exc)

    return guarded
