"""A model that answers what it is sent, behind MLServer's SDK. Runs on MLServer and on ours."""

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Identity(MLModel):  # type: ignore[misc]  # its base is whichever server runs it
    """Nothing to load, nothing to compute."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The input, unchanged."""
        (x,) = payload.inputs
        y = ResponseOutput(name="output-0", shape=x.shape, datatype=x.datatype, data=x.data)
        return InferenceResponse(model_name=self.name, outputs=[y])
