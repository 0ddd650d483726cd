"""Lists of text, bytes, and points in time, all of them BYTES tensors of shape [N, 1]."""

import base64
import binascii
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar

from mooring_runtime.mlserver.codecs.base import InputCodec, SingleInputRequestCodec
from mooring_runtime.mlserver.errors import CodecError
from mooring_runtime.mlserver.types import RequestInput, ResponseOutput


class _ListCodec(InputCodec):
    """A list of elements of one type."""

    _element: ClassVar[type]

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Lists of elements of that type alone."""
        return isinstance(payload, list) and all(isinstance(element, cls._element) for element in payload)

    @classmethod
    def _write(cls, element: Any) -> str:
        raise NotImplementedError

    @classmethod
    def _read(cls, element: str | bytes) -> Any:
        raise NotImplementedError

    @classmethod
    def elements(cls, payload: Any, use_bytes: bool) -> tuple[list[int], str, list[Any]]:
        """One row for each element."""
        texts = [cls._write(element) for element in payload]
        return [len(texts), 1], "BYTES", [text.encode() for text in texts] if use_bytes else texts

    @classmethod
    def value(cls, tensor: RequestInput | ResponseOutput) -> Any:
        """The elements in row-major order.

        Raises:
            CodecError: one of them is not of this type.
        """
        try:
            return [cls._read(element) for element in _flatten(tensor.data.root)]
        except (ValueError, TypeError, AttributeError) as exc:
            raise CodecError(f"'{tensor.name}' cannot be read as content type {cls.ContentType}: {exc}") from exc


def _flatten(data: Any) -> Iterator[Any]:
    if isinstance(data, str | bytes) or not isinstance(data, Iterable):
        yield data
        return
    for element in data:
        yield from _flatten(element)


def _text(element: str | bytes) -> str:
    return element if isinstance(element, str) else element.decode()


class StringCodec(_ListCodec):
    """Content type `str`."""

    ContentType = "str"
    TypeHint = list[str]
    _element = str

    @classmethod
    def _write(cls, element: Any) -> str:
        return str(element)

    @classmethod
    def _read(cls, element: str | bytes) -> str:
        return _text(element)


class Base64Codec(_ListCodec):
    """Content type `base64`: bytes; what is no base64 is taken as it is."""

    ContentType = "base64"
    TypeHint = list[bytes]
    _element = bytes

    @classmethod
    def _write(cls, element: Any) -> str:
        return base64.b64encode(element).decode()

    @classmethod
    def _read(cls, element: str | bytes) -> bytes:
        raw = element.encode() if isinstance(element, str) else bytes(element)
        try:
            return base64.b64decode(raw, validate=True)
        except binascii.Error:
            return raw


class DatetimeCodec(_ListCodec):
    """Content type `datetime`: ISO 8601."""

    ContentType = "datetime"
    TypeHint = list[datetime]
    _element = datetime

    @classmethod
    def _write(cls, element: Any) -> str:
        return str(element.isoformat())

    @classmethod
    def _read(cls, element: str | bytes) -> datetime:
        return datetime.fromisoformat(_text(element))


class StringRequestCodec(SingleInputRequestCodec):
    """Content type `str` of a whole request."""

    ContentType = "str"
    TypeHint = list[str]
    InputCodec = StringCodec
