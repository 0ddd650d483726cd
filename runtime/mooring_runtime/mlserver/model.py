"""`MLModel`: what a model of one's own inherits from (spec: runtime.md section 4.1)."""

from mooring_runtime.mlserver.settings import ModelSettings
from mooring_runtime.mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    MetadataModelResponse,
    MetadataTensor,
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
