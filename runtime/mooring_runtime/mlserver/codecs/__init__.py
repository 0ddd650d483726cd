"""Tensors to and from Python values, as MLServer does it (spec: runtime.md section 4.6).

Belongs here: codecs, the tables that find one, `decode_args`. Does not belong here: the wire, which has no values.
"""

from mooring_runtime.mlserver.codecs.arguments import decode_args
from mooring_runtime.mlserver.codecs.base import InputCodec, RequestCodec
from mooring_runtime.mlserver.codecs.decoded import get_decoded, get_decoded_or_raw, has_decoded
from mooring_runtime.mlserver.codecs.lists import Base64Codec, DatetimeCodec, StringCodec, StringRequestCodec
from mooring_runtime.mlserver.codecs.lookup import register_input_codec, register_request_codec
from mooring_runtime.mlserver.codecs.numpy import NumpyCodec, NumpyRequestCodec
from mooring_runtime.mlserver.codecs.pandas import PandasCodec
from mooring_runtime.mlserver.codecs.single import SingleInputRequestCodec
from mooring_runtime.mlserver.errors import CodecError, CodecNotFound

__all__ = [
    "Base64Codec",
    "CodecError",
    "CodecNotFound",
    "DatetimeCodec",
    "InputCodec",
    "NumpyCodec",
    "NumpyRequestCodec",
    "PandasCodec",
    "RequestCodec",
    "SingleInputRequestCodec",
    "StringCodec",
    "StringRequestCodec",
    "decode_args",
    "get_decoded",
    "get_decoded_or_raw",
    "has_decoded",
    "register_input_codec",
    "register_request_codec",
]
