"""What can go wrong, in words that know no HTTP or gRPC code; each transport has one table that maps them.

    ServingError
    ├── InvalidInput          the request is malformed, or does not fit the model
    ├── RequestTooLarge       the request's body is longer than the server takes
    ├── ModelNotFound         no model of that name (or version)
    ├── ModelNotReady         known, but it is loading, unloading, or its load failed
    ├── ModelLoadFailed       the files of a model cannot be served: what is wrong with them, and what to do
    │   └── ModelMissingError     they are not there
    ├── InferenceError        the model itself failed on the request
    ├── QueueFull             more requests wait for the model than its lane holds
    ├── DeadlineExceeded      the client's deadline passed before there was an answer
    ├── ServerNotReady        starting up or draining
    ├── ServerNotLive         beyond that
    ├── NotSupported          a verb, protocol or version that this model or server does not have
    │   └── UnsupportedProtocol   a protocol
    └── StartupError          the process cannot serve at all: bad flag, absent device, taken port
        └── NoModelReady          none of the models can serve

The texts of the first three are KServe's, since its clients match on them (spec: runtime.md section 1.1). As there,
user code may catch InvalidInput as a ValueError, ModelNotReady and InferenceError as a RuntimeError.
"""

from collections.abc import Sequence
from typing import Any


class ServingError(Exception):
    """Root of the tree; `str()` is the text for the user."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as it is, since constructors compose their texts: replicas of Ray Serve send errors home."""
        return _revived, (type(self), self.args), self.__dict__


def _revived(kind: type[ServingError], args: tuple[Any, ...]) -> ServingError:
    error = kind.__new__(kind)
    error.args = args
    return error


class InvalidInput(ServingError, ValueError):
    """The request is malformed, or does not fit the model."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class RequestTooLarge(ServingError):
    """The request's body is longer than the server takes."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The body of the request has more than {limit_bytes} bytes: send less at once, or raise --max_body_bytes."
        )


class ModelNotFound(ServingError):
    """No model of that name, or not in that version."""

    def __init__(self, name: str, detail: str = "") -> None:
        self.name = name
        super().__init__(f"Model with name {name} does not exist." + (f" {detail}" if detail else ""))


class ModelNotReady(ServingError, RuntimeError):
    """The model is known but cannot answer now."""

    def __init__(self, name: str, detail: str = "") -> None:
        self.name = name
        super().__init__(f"Model with name {name} is not ready." + (f" {detail}" if detail else ""))


class ModelLoadFailed(ServingError):
    """The files of a model cannot be served.

    Args:
        reason: What is wrong with which file.
        advice: What the owner of the model can do, as a sentence.
    """

    def __init__(self, reason: str, advice: str) -> None:
        self.reason = reason
        self.advice = advice
        super().__init__(f"{reason} {advice}")


class ModelMissingError(ModelLoadFailed):
    """For a model's `load`: its files are not there. KServe's name, for models that raise it.

    Args:
        path: Where they should be.
    """

    def __init__(self, path: object) -> None:
        self.path = path
        super().__init__(f"There is no model at {path}.", "Put its files there and load again.")


class InferenceError(ServingError, RuntimeError):
    """The model failed on a request that was well-formed.

    Args:
        reason: What went wrong.
        status: A short code of the model's own, told in front of the reason.
        debug_details: For whoever catches it; clients do not see it.
    """

    def __init__(self, reason: str, status: str | None = None, debug_details: object = None) -> None:
        self.reason = reason
        self.status = status
        self.debug_details = debug_details
        super().__init__(reason if status is None else f"[{status}] {reason}")


class QueueFull(ServingError):
    """The model's lane holds as many waiting requests as it may."""

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(f"Model with name {name} has {limit} requests waiting: try again later, or add replicas.")


class DeadlineExceeded(ServingError):
    """The client's deadline passed; what still waited for the model was dropped before it ran."""

    def __init__(self, name: str, timeout_s: float) -> None:
        super().__init__(f"Model with name {name} gave no answer within the request's deadline of {timeout_s:g} s.")


class ServerNotReady(ServingError, RuntimeError):
    """The server is starting up or draining."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("Server is not ready." + (f" {detail}" if detail else ""))


class ServerNotLive(ServingError, RuntimeError):
    """The server does not work any more. KServe's name, for programs that raise or catch it."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("Server is not live." + (f" {detail}" if detail else ""))


class NotSupported(ServingError):
    """This model or server does not have what was asked for."""


class UnsupportedProtocol(NotSupported):
    """The model does not speak the protocol of the request. KServe's name, for models that raise it."""

    def __init__(self, protocol_version: object = None) -> None:
        self.reason = f"Unsupported protocol {protocol_version}."
        super().__init__(self.reason)


class StartupError(ServingError):
    """The process cannot serve at all; the text names the flag to change."""


class NoModelReady(StartupError, RuntimeError):
    """None of the models can serve. KServe's name, for programs that raise or catch it."""

    def __init__(self, models: Sequence[Any], detail: str = "") -> None:
        self.models = models
        names = ",".join(model.name for model in models)
        which = f"Model with name {names} is" if len(models) == 1 else f"Models with names {names} are"
        super().__init__(f"{which} not ready." + (f" {detail}" if detail else ""))


def in_our_words(exc: Exception) -> ServingError:
    """What user code raised: NotImplementedError is something that the model does not have, all else its failure."""
    if isinstance(exc, NotImplementedError):
        return NotSupported(str(exc))
    return InferenceError(f"{type(exc).__name__} : {exc}")
