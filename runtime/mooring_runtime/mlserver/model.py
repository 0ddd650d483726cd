"""`MLModel`: what a model of one's own inherits from (spec: runtime.md section 4.1)."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from mooring_runtime.mlserver.codecs.base import InputCodec, RequestCodec
from mooring_runtime.mlserver.codecs.decoded import content_type_of, decode_tensor, get_decoded_or_raw, has_decoded
from mooring_runtime.mlserver.codecs.lookup import INPUT_CODECS, REQUEST_CODECS
from mooring_runtime.mlserver.errors import CodecNotFound
from mooring_runtime.mlserver.settings import ModelSettings
from mooring_runtime.mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    MetadataModelResponse,
    MetadataTensor,
    RequestInput,
    RequestOutput,
    ResponseOutput,
)


class MLModel:
    """One model. `load` and `predict` are to be overridden; they run on a thread of the model's own.

    Args:
        settings: Of the model; its subclasses read them as `self.settings` or `self._settings`.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._inputs = settings.inputs
        self._outputs = settings.outputs
        self.ready = False

    @property
    def name(self) -> str:
        """The name that it is served by."""
        return self._settings.name

    @property
    def version(self) -> str | None:
        """The version that its settings name."""
        return self._settings.version

    @property
    def settings(self) -> ModelSettings:
        """Its settings."""
        return self._settings

    @property
    def inputs(self) -> list[MetadataTensor]:
        """The inputs that it declares."""
        return self._inputs

    @inputs.setter
    def inputs(self, value: list[MetadataTensor]) -> None:
        self._inputs = value

    @property
    def outputs(self) -> list[MetadataTensor]:
        """The outputs that it declares."""
        return self._outputs

    @outputs.setter
    def outputs(self, value: list[MetadataTensor]) -> None:
        self._outputs = value

    async def load(self) -> bool:
        """Get ready to answer; whether it is. A model without anything to load is."""
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a request.

        Raises:
            InferenceError: the request does not fit the model.
        """
        raise NotImplementedError("predict() method not implemented")

    async def predict_stream(self, payloads: AsyncIterator[InferenceRequest]) -> AsyncGenerator[InferenceResponse]:
        """Answer requests piece by piece; unless it is overridden, the first one by `predict`.

        Args:
            payloads: The requests: one over REST, over gRPC those of a stream as they come.
        """
        async for payload in payloads:
            yield await self.predict(payload)
            return

    def decode(self, request_input: RequestInput, default_codec: type[InputCodec] | None = None) -> Any:
        """The value of an input.

        Its own content type goes first, then the one that the model declares for it, then `default_codec`; without
        any that there is a codec for, it is the `TensorData`.
        """
        decode_tensor(request_input, self.inputs)
        if default_codec and not has_decoded(request_input):
            return default_codec.decode_input(request_input)
        return get_decoded_or_raw(request_input)

    def decode_request(
        self, inference_request: InferenceRequest, default_codec: type[RequestCodec] | None = None
    ) -> Any:
        """The value of a request: by its content type, the settings', or `default_codec`; else the request itself.

        Inputs that have a content type of their own are decoded by it before that.
        """
        for request_input in inference_request.inputs:
            decode_tensor(request_input, self.inputs)
        told = (inference_request.parameters, self._settings.parameters)
        content_type = next((one.content_type for one in told if one and one.content_type), None)
        codec = REQUEST_CODECS.of_content_type(content_type) or default_codec
        return codec.decode_request(inference_request) if codec else inference_request

    def encode(
        self, payload: Any, request_output: RequestOutput, default_codec: type[InputCodec] | None = None
    ) -> ResponseOutput:
        """A value as the output that is asked for: by its content type, the declared one, or the value's own type.

        Raises:
            CodecNotFound: there is no codec for it, and no `default_codec`.
        """
        content_type = content_type_of(request_output, self.outputs)
        found = INPUT_CODECS.of_content_type(content_type) if content_type else INPUT_CODECS.of_value(payload)
        codec = found or default_codec
        if codec is None:
            what = f"content type {content_type}" if content_type else f"a {type(payload).__name__}"
            raise CodecNotFound(f"There is no codec for {what}, for output {request_output.name}")
        return codec.encode_output(request_output.name, payload)

    def encode_response(self, payload: Any, default_codec: type[RequestCodec] | None = None) -> InferenceResponse:
        """A value as the whole response, by the value's type, or by `default_codec` where that tells nothing.

        Raises:
            CodecNotFound: there is no codec for it.
        """
        codec = REQUEST_CODECS.of_value(payload) or default_codec
        if codec is None:
            raise CodecNotFound(f"There is no codec for a response from a {type(payload).__name__}")
        return codec.encode_response(self.name, payload, self.version)

    async def metadata(self) -> MetadataModelResponse:
        """What it declares."""
        return MetadataModelResponse(
            name=self.name,
            platform=self._settings.platform,
            versions=self._settings.versions,
            inputs=self.inputs,
            outputs=self.outputs,
        )

    async def unload(self) -> bool:
        """Free what `load` took; nothing is asked any more."""
        return True
