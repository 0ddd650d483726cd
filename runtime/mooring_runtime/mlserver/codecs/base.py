"""What a codec is. Codecs are classes that are never made into objects, as MLServer's."""

from typing import Any, ClassVar

from mooring_runtime.mlserver.errors import CodecError
from mooring_runtime.mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    Parameters,
    RequestInput,
    ResponseOutput,
)

InputCodecType = type["InputCodec"]


class InputCodec:
    """One tensor and one value. A subclass overrides `can_encode`, `elements` and `value`, and names the first two."""

    ContentType: ClassVar[str]
    TypeHint: ClassVar[Any]

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Whether it is a value of this codec's."""
        raise NotImplementedError(f"{cls.__name__} has no can_encode")

    @classmethod
    def elements(cls, payload: Any, use_bytes: bool) -> tuple[list[int], str, list[Any]]:
        """Shape, datatype and flat data of a value; with `use_bytes`, BYTES elements are bytes and not text."""
        raise NotImplementedError(f"{cls.__name__} has no elements")

    @classmethod
    def value(cls, tensor: RequestInput | ResponseOutput) -> Any:
        """The value of a tensor."""
        raise NotImplementedError(f"{cls.__name__} has no value")

    @classmethod
    def _fields(cls, name: str, payload: Any, use_bytes: bool) -> dict[str, Any]:
        shape, datatype, data = cls.elements(payload, use_bytes)
        parameters = Parameters(content_type=cls.ContentType)
        return {"name": name, "shape": shape, "datatype": datatype, "data": data, "parameters": parameters}

    @classmethod
    def encode_input(cls, name: str, payload: Any, use_bytes: bool = True) -> RequestInput:
        """A value as an input."""
        return RequestInput(**cls._fields(name, payload, use_bytes))

    @classmethod
    def encode_output(cls, name: str, payload: Any, use_bytes: bool = True) -> ResponseOutput:
        """A value as an output."""
        return ResponseOutput(**cls._fields(name, payload, use_bytes))

    @classmethod
    def decode_input(cls, request_input: RequestInput) -> Any:
        """The value of an input."""
        return cls.value(request_input)

    @classmethod
    def decode_output(cls, response_output: ResponseOutput) -> Any:
        """The value of an output."""
        return cls.value(response_output)


class RequestCodec:
    """A whole request or response and one value."""

    ContentType: ClassVar[str]
    TypeHint: ClassVar[Any]

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Whether it is a value of this codec's."""
        raise NotImplementedError(f"{cls.__name__} has no can_encode")

    @classmethod
    def encode_request(cls, payload: Any, use_bytes: bool = True) -> InferenceRequest:
        """A value as a request."""
        raise NotImplementedError(f"{cls.__name__} has no encode_request")

    @classmethod
    def decode_request(cls, request: InferenceRequest) -> Any:
        """The value of a request."""
        raise NotImplementedError(f"{cls.__name__} has no decode_request")

    @classmethod
    def encode_response(
        cls, model_name: str, payload: Any, model_version: str | None = None, use_bytes: bool = True
    ) -> InferenceResponse:
        """A value as a response."""
        raise NotImplementedError(f"{cls.__name__} has no encode_response")

    @classmethod
    def decode_response(cls, response: InferenceResponse) -> Any:
        """The value of a response."""
        raise NotImplementedError(f"{cls.__name__} has no decode_response")


class SingleInputRequestCodec(RequestCodec):
    """A request of one input, a response of one output, as the codec `InputCodec` makes them."""

    InputCodec: ClassVar[InputCodecType]

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """As the codec of its tensor."""
        return cls.InputCodec.can_encode(payload)

    @classmethod
    def encode_request(cls, payload: Any, use_bytes: bool = True) -> InferenceRequest:
        """A value as the input `input-1`."""
        tensor = cls.InputCodec.encode_input("input-1", payload, use_bytes)
        return InferenceRequest(parameters=Parameters(content_type=cls.ContentType), inputs=[tensor])

    @classmethod
    def decode_request(cls, request: InferenceRequest) -> Any:
        """The value of the one input.

        Raises:
            CodecError: there is not exactly one.
        """
        if len(request.inputs) != 1:
            raise CodecError(
                f"Content type {cls.ContentType} takes exactly 1 input ({len(request.inputs)} were received)"
            )
        return cls.InputCodec.decode_input(request.inputs[0])

    @classmethod
    def encode_response(
        cls, model_name: str, payload: Any, model_version: str | None = None, use_bytes: bool = True
    ) -> InferenceResponse:
        """A value as the output `output-1`."""
        return InferenceResponse(
            model_name=model_name,
            model_version=model_version,
            parameters=Parameters(content_type=cls.ContentType),
            outputs=[cls.InputCodec.encode_output("output-1", payload, use_bytes)],
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
