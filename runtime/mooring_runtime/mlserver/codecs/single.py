"""Requests of one tensor."""

from typing import Any, ClassVar

from mooring_runtime.mlserver.codecs.base import InputCodec, RequestCodec
from mooring_runtime.mlserver.codecs.decoded import get_decoded, get_decoded_or_raw, has_decoded
from mooring_runtime.mlserver.errors import CodecError
from mooring_runtime.mlserver.types import InferenceRequest, InferenceResponse, Parameters

__all__ = ["SingleInputRequestCodec", "get_decoded", "get_decoded_or_raw", "has_decoded"]
"""What MLServer has in `mlserver.codecs.utils`."""

InputCodecType = type[InputCodec]


class SingleInputRequestCodec(RequestCodec):
    """A request of one input, a response of one output, as `InputCodec` makes them; the wishes are its."""

    InputCodec: ClassVar[InputCodecType]

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """As the codec of its tensor."""
        return cls.InputCodec.can_encode(payload)

    @classmethod
    def encode_request(cls, payload: Any, **wishes: Any) -> InferenceRequest:
        """A value as the input `input-1`."""
        tensor = cls.InputCodec.encode_input("input-1", payload, **wishes)
        return InferenceRequest(parameters=Parameters(content_type=cls.ContentType), inputs=[tensor])

    @classmethod
    def decode_request(cls, request: InferenceRequest) -> Any:
        """The value of the one input: by its own content type if it has one, else by this codec's.

        Raises:
            CodecError: there is not exactly one.
        """
        if len(request.inputs) != 1:
            raise CodecError(
                f"Content type {cls.ContentType} takes exactly 1 input ({len(request.inputs)} were received)"
            )
        (tensor,) = request.inputs
        return get_decoded(tensor) if has_decoded(tensor) else cls.InputCodec.decode_input(tensor)

    @classmethod
    def encode_response(
        cls, model_name: str, payload: Any, model_version: str | None = None, **wishes: Any
    ) -> InferenceResponse:
        """A value as the output `output-1`."""
        return InferenceResponse(
            model_name=model_name,
            model_version=model_version,
            parameters=Parameters(content_type=cls.ContentType),
            outputs=[cls.InputCodec.encode_output("output-1", payload, **wishes)],
        )

    @classmethod
    def decode_response(cls, response: InferenceResponse) -> Any:
        """The value of the one output.

        Raises:
            CodecError: there is not exactly one.
        """
        if len(response.outputs) != 1:
            raise CodecError(
                f"Content type {cls.ContentType} takes exactly 1 output ({len(response.outputs)} were received)"
            )
        return cls.InputCodec.decode_output(response.outputs[0])
