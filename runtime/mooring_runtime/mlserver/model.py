"""`MLModel`: what a model of one's own inherits from (spec: runtime.md section 4.1)."""

from typing import Any

from mooring_runtime.mlserver.codecs.base import InputCodec, RequestCodec
from mooring_runtime.mlserver.codecs.lookup import input_codec, input_codec_of, request_codec, request_codec_of
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

    def decode(self, request_input: RequestInput, default_codec: type[InputCodec] | None = None) -> Any:
        """The value of an input.

        Its own content type goes first, then the one that the model declares for it, then `default_codec`; without
        any, it is the `TensorData`.
        """
        content_type = _content_type(request_input, self.inputs)
        codec = input_codec(content_type) if content_type else default_codec
        return codec.decode_input(request_input) if codec else request_input.data

    def decode_request(
        self, inference_request: InferenceRequest, default_codec: type[RequestCodec] | None = None
    ) -> Any:
        """The value of a request: by its content type, the settings', or `default_codec`; else the request itself."""
        told = inference_request.parameters and inference_request.parameters.content_type
        content_type = told or (self._settings.parameters and self._settings.parameters.content_type)
        codec = request_codec(content_type) if content_type else default_codec
        return codec.decode_request(inference_request) if codec else inference_request

    def encode(
        self, payload: Any, request_output: RequestOutput, default_codec: type[InputCodec] | None = None
    ) -> ResponseOutput:
        """A value as the output that is asked for; content types go as in `decode`, then the value's type tells."""
        content_type = _content_type(request_output, self.outputs)
        codec = input_codec(content_type) if content_type else default_codec or input_codec_of(payload)
        return codec.encode_output(request_output.name, payload)

    def encode_response(self, payload: Any, default_codec: type[RequestCodec] | None = None) -> InferenceResponse:
        """A value as the whole response, by `default_codec` or by the value's type."""
        codec = default_codec or request_codec_of(payload)
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


def _content_type(tensor: RequestInput | RequestOutput, declared: list[MetadataTensor]) -> str | None:
    told = (tensor, *(other for other in declared if other.name == tensor.name))
    return next((one.parameters.content_type for one in told if one.parameters and one.parameters.content_type), None)
