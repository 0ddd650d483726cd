"""CloudEvents 1.0 around v1 requests, as KServe has them (spec: runtime.md section 1.2).

A structured event is one JSON object with the request as its `data`; a binary one has its attributes in `ce-` headers.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import orjson

from mooring_runtime.errors import InvalidInput

STRUCTURED_TYPE = "application/cloudevents+json"
_PREFIX = "ce-"
_REQUIRED = frozenset({"specversion", "id", "source", "type"})
_REQUIRED_HEADERS = frozenset(_PREFIX + name for name in _REQUIRED)
_STRUCTURED = _REQUIRED | {"time", "data"}
_NEVER_MERGED = frozenset({"specversion", "id", "time", "data", "data_base64", "datacontenttype"})

JSON_TYPES = frozenset(
    {
        "",
        "application/json",
        STRUCTURED_TYPE,
        "application/ld+json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
    }
)
"""Media types of bodies that are JSON: KServe's list, and what `curl -d` sends when it is told nothing."""


class Mode(Enum):
    """How an event travels; an answer takes the form of its question."""

    NONE = "none"
    STRUCTURED = "structured"
    BINARY = "binary"


@dataclass(frozen=True)
class Event:
    """A v1 request, with what came around it."""

    data: Any
    """What the model gets."""
    attributes: Mapping[str, Any]
    mode: Mode
    """Of the answer."""


@dataclass(frozen=True)
class Attributes:
    """What answers say of themselves."""

    merge: bool = False
    """Whether they repeat the request's attributes."""
    type: str = "io.kserve.inference.response"
    source: str | None = None
    """`io.kserve.inference.MODEL` when None."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Attributes":
        """KServe's variables CE_MERGE, CE_TYPE and CE_SOURCE."""
        merge = environ.get("CE_MERGE", "").lower() == "true"
        return cls(merge, environ.get("CE_TYPE") or cls.type, environ.get("CE_SOURCE") or None)


def read_event(body: bytes, headers: Mapping[str, str]) -> Event:
    """A v1 request: decoded JSON, or the bytes themselves when the media type says that they are something else.

    Args:
        body: The whole body.
        headers: By lower-case name.

    Raises:
        InvalidInput: it should be JSON and is not.
    """
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if headers.keys() >= _REQUIRED_HEADERS:
        carried = {name.removeprefix(_PREFIX): value for name, value in headers.items() if name.startswith(_PREFIX)}
        return Event(_binary_data(body, media_type), carried, Mode.BINARY)
    if media_type not in JSON_TYPES:
        return Event(body, {}, Mode.NONE)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise InvalidInput(f"Unrecognized request format: {exc}") from None
    mode = Mode.STRUCTURED if media_type == STRUCTURED_TYPE else Mode.NONE
    if isinstance(document, dict) and is_structured(document):
        return Event(document.pop("data"), document, mode)
    return Event(document, {}, mode)


def is_structured(document: Mapping[str, Any]) -> bool:
    """Whether a decoded body is a structured event."""
    return document.keys() >= _STRUCTURED


def _binary_data(body: bytes, media_type: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        if media_type in ("application/json", STRUCTURED_TYPE):
            raise InvalidInput(f"Failed to decode or parse binary json cloudevent: {exc}") from None
        return body


def write_event(
    event: Event, result: Any, attributes: Attributes, model: str, event_id: str, now: datetime
) -> tuple[bytes, dict[str, str]]:
    """The answer to `event` as an event of the same mode: body and headers.

    Args:
        event: The question; not of mode NONE.
        result: What the model answered: a JSON-ready value, text or bytes.
        attributes: What the answer says of itself.
        model: The model's name.
        event_id: The answer's id.
        now: The answer's time.
    """
    merged = {name: value for name, value in event.attributes.items() if name not in _NEVER_MERGED}
    told = {
        **(merged if attributes.merge else {}),
        "specversion": "1.0",
        "id": event_id,
        "source": attributes.source or f"io.kserve.inference.{model}",
        "type": attributes.type,
        "time": now.isoformat(),
    }
    if event.mode is Mode.BINARY:
        headers = {f"{_PREFIX}{name}": str(value) for name, value in told.items()}
        body = result if isinstance(result, bytes) else _json(result)
        return body, {**headers, "content-type": "application/json"}
    data = {"data_base64": base64.b64encode(result).decode()} if isinstance(result, bytes) else {"data": result}
    return _json({**told, **data}), {"content-type": STRUCTURED_TYPE}


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
