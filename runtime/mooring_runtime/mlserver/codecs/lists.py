"""Lists of text, bytes, and points in time, all of them BYTES tensors of shape [N, 1]."""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar

from mooring_runtime.mlserver.codecs.base import InputCodec
from mooring_runtime.mlserver.codecs.lookup import register_input_codec, register_request_codec
from mooring_runtime.mlserver.codecs.single import SingleInputRequestCodec
from mooring_runtime.mlserver.errors import CodecError
from mooring_runtime.mlserver.types import RequestInput, ResponseOutput


class _ListCodec(InputCodec):
    """A list of elements of one type, each written as text."""

    element: ClassVar[type]
    write: ClassVar[Callable[[Any], str]]
    read: ClassVar[Callable[[str | bytes], Any]]

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Lists of elements of that type alone."""
        return isinstance(payload, list) and all(isinstance(element, cls.element) for element in payload)

    @classmethod
    def elements(cls, payload: Any, use_bytes: bool) -> tuple[list[int], str, list[Any]]:
        """One row for each element."""
        texts = [cls.write(element) for element in payload]
        return [len(texts), 1], "BYTES", [text.encode() for text in texts] if use_bytes else texts

    @classmethod
    def value(cls, tensor: RequestInput | ResponseOutput) -> Any:
        """The elements in row-major order.

        Raises:
            CodecError: one of them is not of this type.
        """
        try:
            return [cls.read(element) for element in flat(tensor.data.root)]
        except (ValueError, TypeError, AttributeError) as exc:
            raise CodecError(f"'{tensor.name}' cannot be read as content type {cls.ContentType}: {exc}") from exc


def flat(data: Any) -> Iterator[Any]:
    """The elements of nested data in row-major order."""
    if isinstance(data, str | bytes) or not isinstance(data, Iterable):
        yield data
        return
    for element in data:
        yield from flat(element)


def text(element: str | bytes) -> str:
    """A BYTES element as text."""
    return element if isinstance(element, str) else element.decode()


def to_base64(element: bytes) -> str:
    """Bytes as text."""
    return base64.b64encode(element).decode()


def from_base64(element: str | bytes) -> bytes:
    """The bytes that an element stands for; what is no base64 stands for itself."""
    raw = element.encode() if isinstance(element, str) else bytes(element)
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error:
        return raw


def to_datetime(element: str | bytes) -> datetime:
    """The point in time that ISO 8601 text names."""
    return datetime.fromisoformat(text(element))


@register_input_codec
class StringCodec(_ListCodec):
    """Content type `str`."""

    ContentType, TypeHint = "str", list[str]
    element, write, read = str, str, text


@register_input_codec
class Base64Codec(_ListCodec):
    """Content type `base64`: bytes; what is no base64 is taken as it is."""

    ContentType, TypeHint = "base64", list[bytes]
    element, write, read = bytes, to_base64, from_base64


@register_input_codec
class DatetimeCodec(_ListCodec):
    """Content type `datetime`: ISO 8601."""

    ContentType, TypeHint = "datetime", list[datetime]
    element, write, read = datetime, datetime.isoformat, to_datetime


@register_request_codec
class StringRequestCodec(SingleInputRequestCodec):
    """Content type `str` of a whole request."""

    ContentType, TypeHint = "str", list[str]
    InputCodec = StringCodec
