"""MLServer's errors, for models to raise; `domain_error` says what each is to our transports.

    MLServerError (400)
    ├── InvalidModelURI (422)          no uri in the settings, or nothing is there
    ├── ModelNotFound (404)
    ├── ModelNotReady (400)
    ├── InferenceError (400)           the request does not fit the model
    ├── ModelParametersMissing (400)   the model needs parameters in its settings
    └── CodecError (400)               a tensor is not of its content type
        └── CodecNotFound              nobody knows that content type, or the type of that value

Statuses and texts are MLServer's (spec: runtime.md section 1.4).
"""

from http import HTTPStatus

from mooring_runtime import errors as ours


class MLServerError(Exception):
    """Root of the tree; a status below 500 says that the client is at fault."""

    def __init__(self, msg: str, status_code: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(msg)
        self.status_code = status_code


class InvalidModelURI(MLServerError):
    """The settings name no model data, or some that is not there."""

    def __init__(self, name: str, model_uri: str | None = None) -> None:
        msg = f"Invalid URI specified for model {name}"
        super().__init__(f"{msg} ({model_uri})" if model_uri else msg, HTTPStatus.UNPROCESSABLE_ENTITY)


class ModelNotFound(MLServerError):
    """No such model."""

    def __init__(self, name: str, version: str | None = None) -> None:
        which = f"{name} with version {version}" if version else name
        super().__init__(f"Model {which} not found", HTTPStatus.NOT_FOUND)


class ModelNotReady(MLServerError):
    """The model cannot answer yet."""

    def __init__(self, name: str, version: str | None = None) -> None:
        which = f"{name} with version {version}" if version else name
        super().__init__(f"Model {which} is not ready yet.")


class InferenceError(MLServerError):
    """The request does not fit the model."""

    def __init__(self, msg: str) -> None:
        super().__init__(msg)


class ModelParametersMissing(MLServerError):
    """The model needs parameters that its settings do not have."""

    def __init__(self, model_name: str, reason: str | None = None) -> None:
        msg = f"Parameters missing for model {model_name}"
        super().__init__(f"{msg}. {reason}" if reason else msg)


class CodecError(MLServerError):
    """A tensor is not of its content type."""

    def __init__(self, msg: str) -> None:
        super().__init__(msg)


class CodecNotFound(CodecError):
    """Nobody knows that content type, or the type of that value."""


def domain_error(exc: Exception) -> ours.ServingError:
    """What came out of a model, as an error that the transports know."""
    if isinstance(exc, ours.ServingError):
        return exc
    if isinstance(exc, MLServerError):
        blames_client = exc.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
        return ours.InvalidInput(str(exc)) if blames_client else ours.InferenceError(str(exc))
    return ours.InferenceError(f"{type(exc).__name__} : {exc}")
