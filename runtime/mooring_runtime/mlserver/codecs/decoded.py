"""The value that a tensor or request was decoded to: kept with it, for a codec of the whole request to find."""

from typing import Any

from mooring_runtime.mlserver.codecs.lookup import INPUT_CODECS
from mooring_runtime.mlserver.types import (
    Decoded,
    InferenceRequest,
    MetadataTensor,
    RequestInput,
    RequestOutput,
    ResponseOutput,
)

Decodable = RequestInput | ResponseOutput | InferenceRequest


def has_decoded(decodable: Decodable) -> bool:
    """Whether it was decoded."""
    return decodable._decoded is not None


def get_decoded(decodable: Decodable) -> Any:
    """The value that it was decoded to; None when it was not."""
    return decodable._decoded.value if decodable._decoded else None


def get_decoded_or_raw(decodable: Decodable) -> Any:
    """The value that it was decoded to; else the data of a tensor, or the request itself."""
    if decodable._decoded:
        return decodable._decoded.value
    return decodable if isinstance(decodable, InferenceRequest) else decodable.data


def decode_tensor(request_input: RequestInput, declared: list[MetadataTensor] | None) -> None:
    """Decode by the input's own content type, or by the one that is declared for it, where there is a codec for it."""
    codec = INPUT_CODECS.of_content_type(content_type_of(request_input, declared))
    if codec:
        request_input._decoded = Decoded(codec.decode_input(request_input))


def content_type_of(tensor: RequestInput | RequestOutput, declared: list[MetadataTensor] | None) -> str | None:
    """A tensor's own content type, or the one that is declared for it."""
    told = (tensor, *(other for other in declared or () if other.name == tensor.name))
    return next((one.parameters.content_type for one in told if one.parameters and one.parameters.content_type), None)
