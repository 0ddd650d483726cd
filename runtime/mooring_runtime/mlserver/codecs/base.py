"""What a codec is. Codecs are classes that are never made into objects, as MLServer's."""

from typing import Any, ClassVar

from mooring_runtime.mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    Parameters,
    RequestInput,
    ResponseOutput,
)


class Codec:
    """What both kinds share: how one is found."""

    ContentType: ClassVar[str] = ""
    TypeHint: ClassVar[Any] = type(None)

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Whether it is a value of this codec's."""
        return False

    @classmethod
    def is_for(cls, hint: Any) -> bool:
        """Whether an annotation names values of this codec's."""
        return bool(hint == cls.TypeHint)


class InputCodec(Codec):
    """One tensor and one value.

    A subclass overrides what it needs of the four below or, to have them all, `elements` and `value`.
    """

    @classmethod
    def elements(cls, payload: Any, use_bytes: bool) -> tuple[list[int], str, Any]:
        """Shape, datatype and flat data of a value; with `use_bytes`, BYTES elements are bytes and not text."""
        raise NotImplementedError(f"{cls.__name__} does not encode")

    @classmethod
    def value(cls, tensor: RequestInput | ResponseOutput) -> Any:
        """The value of a tensor."""
        raise NotImplementedError(f"{cls.__name__} does not decode")

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


class RequestCodec(Codec):
    """A whole request or response and one value; `wishes` are a codec's own (`use_bytes` of those here)."""

    @classmethod
    def encode_request(cls, payload: Any, **wishes: Any) -> InferenceRequest:
        """A value as a request."""
        raise NotImplementedError(f"{cls.__name__} has no encode_request")

    @classmethod
    def decode_request(cls, request: InferenceRequest) -> Any:
        """The value of a request."""
        raise NotImplementedError(f"{cls.__name__} has no decode_request")

    @classmethod
    def encode_response(
        cls, model_name: str, payload: Any, model_version: str | None = None, **wishes: Any
    ) -> InferenceResponse:
        """A value as a response."""
        raise NotImplementedError(f"{cls.__name__} has no encode_response")

    @classmethod
    def decode_response(cls, response: InferenceResponse) -> Any:
        """The value of a response."""
        raise NotImplementedError(f"{cls.__name__} has no decode_response")
