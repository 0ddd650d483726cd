"""AlexNet behind KServe's SDK, as in `examples/custom-model`, and for tensors by v2, and on `$BENCH_DEVICE`.

FP32 1x3x224x224 in, or an image by v1; the five largest logits out.
"""

import argparse
import base64
import io
import os
import warnings
from typing import Any

import torch
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer, model_server  # the peer's, or ours
from kserve.utils.utils import generate_uuid
from PIL import Image
from torchvision import models, transforms

PREPROCESS = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
    ]
)
warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # a raw tensor; it is only read


class AlexNet(Model):  # type: ignore[misc]  # its base is whichever server runs it
    """torchvision's network, on the CPU unless told otherwise."""

    def load(self) -> bool:
        """Take the weights from torch's cache."""
        self.device = os.environ.get("BENCH_DEVICE", "cpu")
        self.network = models.alexnet(weights=models.AlexNet_Weights.DEFAULT).eval().to(self.device)
        self.ready = True
        return True

    @torch.inference_mode()
    def predict(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """The five largest logits."""
        by_v2 = isinstance(payload, InferRequest)
        batch = torch.from_numpy(payload.inputs[0].as_numpy()) if by_v2 else self._image(payload)
        values, _ = torch.topk(self.network(batch.to(self.device)), 5)
        if not by_v2:
            return {"predictions": values.flatten().tolist()}
        output = InferOutput("output-0", list(values.shape), "FP32")
        output.set_data_from_numpy(values.cpu().numpy(), binary_data=False)
        return InferResponse(generate_uuid(), self.name, [output])

    def _image(self, payload: Any) -> torch.Tensor:
        image = base64.b64decode(payload["instances"][0]["image"]["b64"])
        batch: torch.Tensor = PREPROCESS(Image.open(io.BytesIO(image))).unsqueeze(0)
        return batch


if __name__ == "__main__":
    arguments, _ = argparse.ArgumentParser(parents=[model_server.parser]).parse_known_args()
    model = AlexNet(arguments.model_name)
    model.load()
    ModelServer().start([model])
