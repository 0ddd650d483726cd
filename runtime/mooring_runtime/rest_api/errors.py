"""Domain errors as HTTP answers: one table, one body, `{"error": text}`."""

from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

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
    ServerNotLive,
    ServerNotReady,
    ServingError,
)
from mooring_runtime.logging import logger
from mooring_runtime.rest_api.answer import Answer, json_answer, response_of
from mooring_runtime.rest_api.disconnect import CLIENT_CLOSED_REQUEST

STATUS: dict[type[ServingError], HTTPStatus] = {
    InvalidInput: HTTPStatus.BAD_REQUEST,
    RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ModelNotFound: HTTPStatus.NOT_FOUND,
    ModelLoadFailed: HTTPStatus.UNPROCESSABLE_ENTITY,
    ModelNotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    ServerNotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    ServerNotLive: HTTPStatus.SERVICE_UNAVAILABLE,
    QueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    NotSupported: HTTPStatus.NOT_IMPLEMENTED,
    InferenceError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_RETRY_SOON = {HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "1"}}


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """As `json_answer`, for ASGI."""
    return response_of(json_answer(value, status, headers))


def error_answer(exc: Exception) -> Answer:
    """What the client sees of `exc`. One that is not in the table is a bug: logged whole, told by type and text."""
    status = next((STATUS[kind] for kind in type(exc).__mro__ if kind in STATUS), None)
    if status is None:
        logger.error("Unexpected error", exc_info=exc)
        return json_answer({"error": f"{type(exc).__name__} : {exc}"}, HTTPStatus.INTERNAL_SERVER_ERROR)
    return json_answer({"error": str(exc)}, status, _RETRY_SOON.get(status))


def error_response(exc: Exception) -> Response:
    """As `error_answer`, for ASGI."""
    return response_of(error_answer(exc))


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
