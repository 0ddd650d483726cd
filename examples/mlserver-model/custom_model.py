"""A model in MLServer's SDK: multiplies its input by the factor in its model file."""

import json
from pathlib import Path

from mlserver import MLModel, types
from mlserver.errors import InferenceError
from mlserver.utils import get_model_uri


def read_factor(file: Path) -> float:
    """The factor in a model file."""
    return float(json.loads(file.read_text())["factor"])


class CustomMLModel(MLModel):
    """Takes one FP32 tensor of any shape."""

    async def load(self) -> bool:
        """Read the factor."""
        file = await get_model_uri(self._settings, wellknown_filenames=["model.json"])
        self._factor = read_factor(Path(file))
        return True

    async def predict(self, payload: types.InferenceRequest) -> types.InferenceResponse:
        """Multiply."""
        if len(payload.inputs) != 1 or payload.inputs[0].datatype != "FP32":
            raise InferenceError("exactly one input of datatype FP32 is expected")
        (x,) = payload.inputs
        data = [self._factor * value for value in x.data]
        y = types.ResponseOutput(name="y", shape=x.shape, datatype="FP32", data=data)
        return types.InferenceResponse(model_name=self.name, model_version=self.version, outputs=[y])
