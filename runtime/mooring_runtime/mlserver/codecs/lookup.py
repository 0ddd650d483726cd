"""Which codec: by content type, by value, or by annotation."""

from typing import Any

from mooring_runtime.mlserver.codecs.base import InputCodec, RequestCodec
from mooring_runtime.mlserver.codecs.lists import Base64Codec, DatetimeCodec, StringCodec, StringRequestCodec
from mooring_runtime.mlserver.codecs.numpy import NumpyCodec, NumpyRequestCodec
from mooring_runtime.mlserver.errors import CodecNotFound

INPUT_CODECS: tuple[type[InputCodec], ...] = (NumpyCodec, StringCodec, Base64Codec, DatetimeCodec)
REQUEST_CODECS: tuple[type[RequestCodec], ...] = (NumpyRequestCodec, StringRequestCodec)


def input_codec(content_type: str) -> type[InputCodec]:
    """The codec of a tensor.

    Raises:
        CodecNotFound: there is none.
    """
    for codec in INPUT_CODECS:
        if codec.ContentType == content_type:
            return codec
    raise CodecNotFound(f"There is no input codec for content type {content_type}")


def request_codec(content_type: str) -> type[RequestCodec]:
    """The codec of a request.

    Raises:
        CodecNotFound: there is none.
    """
    for codec in REQUEST_CODECS:
        if codec.ContentType == content_type:
            return codec
    raise CodecNotFound(f"There is no request codec for content type {content_type}")


def input_codec_of(payload: Any) -> type[InputCodec]:
    """The codec that can encode a value.

    Raises:
        CodecNotFound: there is none.
    """
    for codec in INPUT_CODECS:
        if codec.can_encode(payload):
            return codec
    raise CodecNotFound(f"There is no input codec for a {type(payload).__name__}")


def request_codec_of(payload: Any) -> type[RequestCodec]:
    """The codec that can encode a value as a whole response.

    Raises:
        CodecNotFound: there is none.
    """
    for codec in REQUEST_CODECS:
        if codec.can_encode(payload):
            return codec
    raise CodecNotFound(f"There is no request codec for a {type(payload).__name__}")


def input_codec_for(hint: Any) -> type[InputCodec]:
    """The codec whose values an annotation names.

    Raises:
        CodecNotFound: there is none.
    """
    for codec in INPUT_CODECS:
        if hint == codec.TypeHint:
            return codec
    raise CodecNotFound(f"There is no input codec for the annotation {hint}")
