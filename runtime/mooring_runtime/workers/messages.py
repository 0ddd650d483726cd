"""What supervisor and workers tell each other: one JSON object a line, its `kind` the name of a class below."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mooring_runtime.errors import ServingError


@dataclass(frozen=True)
class Call:
    """Do `verb`, and reply. Either end asks."""

    number: int
    verb: str
    arguments: list[Any]


@dataclass(frozen=True)
class Reply:
    """To the call of that number."""

    number: int
    result: Any = None
    error: list[str] | None = None
    """Kind and text of what went wrong."""


@dataclass(frozen=True)
class Beat:
    """From a worker: its loop turns."""

    ready: bool
    """Whether it has tried every model of its start."""


@dataclass(frozen=True)
class Failed:
    """From a worker that cannot serve, right before it ends."""

    reason: str


@dataclass(frozen=True)
class Whole:
    """To every worker: how the server as a whole is."""

    lacking: str
    """Why it is not ready; empty when it is."""


Message = Call | Reply | Beat | Failed | Whole

_KINDS: dict[str, type[Message]] = {kind.__name__: kind for kind in (Call, Reply, Beat, Failed, Whole)}


def encode(message: Message) -> bytes:
    """As a line."""
    return json.dumps({"kind": type(message).__name__, **asdict(message)}).encode() + b"\n"


def decode(line: bytes) -> Message:
    """From a line that `encode` made."""
    fields = json.loads(line)
    return _KINDS[fields.pop("kind")](**fields)


class CallFailed(Exception):
    """The other end failed otherwise than by an error that clients are told."""


def _kinds(root: type[ServingError]) -> Iterator[type[ServingError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)


def error_to_wire(exc: Exception) -> list[str]:
    """Kind and text; the kind of a subclass that is not in our tree is that of its parent in it."""
    for kind in type(exc).__mro__:
        if issubclass(kind, ServingError) and kind.__module__ == ServingError.__module__:
            return [kind.__name__, str(exc)]
    return ["", f"{type(exc).__name__} : {exc}"]


def error_from_wire(error: list[str]) -> Exception:
    """An error that every transport tells like the one it was."""
    name, text = error
    kinds = {kind.__name__: kind for kind in _kinds(ServingError)}
    if name not in kinds:
        return CallFailed(text)
    exc = kinds[name].__new__(kinds[name])  # their constructors compose the text that we have already
    exc.args = (text,)
    return exc
