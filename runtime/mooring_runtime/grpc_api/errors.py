"""Domain errors as gRPC status codes: one table (spec: runtime.md section 2, the intended table)."""

from grpc import StatusCode

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

STATUS: dict[type[ServingError], StatusCode] = {
    InvalidInput: StatusCode.INVALID_ARGUMENT,
    RequestTooLarge: StatusCode.RESOURCE_EXHAUSTED,
    ModelNotFound: StatusCode.NOT_FOUND,
    ModelLoadFailed: StatusCode.FAILED_PRECONDITION,
    ModelNotReady: StatusCode.UNAVAILABLE,
    ServerNotReady: StatusCode.UNAVAILABLE,
    ServerNotLive: StatusCode.UNAVAILABLE,
    QueueFull: StatusCode.RESOURCE_EXHAUSTED,
    DeadlineExceeded: StatusCode.DEADLINE_EXCEEDED,
    NotSupported: StatusCode.UNIMPLEMENTED,
    InferenceError: StatusCode.INTERNAL,
}


def status_of(exc: Exception) -> tuple[StatusCode, str]:
    """Code and details for `exc`. One that is not in the table is a bug: logged whole, told by type and text."""
    for kind in type(exc).__mro__:
        if kind in STATUS:
            return STATUS[kind], str(exc)
    logger.error("Unexpected error", exc_info=exc)
    return StatusCode.INTERNAL, f"{type(exc).__name__} : {exc}"
