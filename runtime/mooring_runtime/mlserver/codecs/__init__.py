"""Tensors to and from Python values, as MLServer does it (spec: runtime.md section 4.6).

Belongs here: codecs, the table that finds one, `decode_args`. Does not belong here: the wire, which has no values.
"""

from mooring_runtime.mlserver.codecs.arguments import decode_args
from mooring_runtime.mlserver.codecs.base import InputCodec, RequestCodec, SingleInputRequestCodec
from mooring_runtime.mlserver.codecs.lists import Base64Codec, DatetimeCodec, StringCodec, StringRequestCodec
from mooring_runtime.mlserver.codecs.numpy import NumpyCodec, NumpyRequestCodec
from mooring_runtime.mlserver.errors import CodecError, CodecNotFound

__all__ = [
    "Base64Codec",
    "CodecError",
    "CodecNotFound",
    "DatetimeCodec",
    "InputCodec",
    "NumpyCodec",
    "NumpyRequestCodec",
    "RequestCodec",
    "SingleInputRequestCodec",
    "StringCodec",
    "StringRequestCodec",
    "decode_args",
]
