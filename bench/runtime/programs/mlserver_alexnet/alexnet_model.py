"""AlexNet behind MLServer's SDK: FP32 1x3x224x224 in, the five largest logits out. Runs on MLServer and on ours."""

import warnings

import torch
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from torchvision import models

warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # a raw tensor; it is only read


class AlexNet(MLModel):  # type: ignore[misc]  # its base is whichever server runs it
    """torchvision's network."""

    async def load(self) -> bool:
        """Take the weights from torch's cache."""
        self._network = models.alexnet(weights=models.AlexNet_Weights.DEFAULT).eval()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The five largest logits."""
        array = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        with torch.inference_mode():
            values, _ = torch.topk(self._network(torch.from_numpy(array)), 5)
        output = NumpyCodec.encode_output("output-0", values.numpy())
        return InferenceResponse(model_name=self.name, outputs=[output])
