"""AlexNet behind KServe's SDK for tensors by v2: FP32 1x3x224x224 in, the five largest logits out.

`$BENCH_DEVICE` is where it computes, the CPU when unset.
"""

import argparse
import os

import torch
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer, model_server  # the peer's, or ours
from kserve.utils.utils import generate_uuid
from torchvision import models


class AlexNet(Model):  # type: ignore[misc]  # its base is whichever server runs it
    """The network of `examples/custom-model/model.py`, which takes images."""

    def load(self) -> bool:
        """Take the weights from torch's cache."""
        self.device = os.environ.get("BENCH_DEVICE", "cpu")
        self.network = models.alexnet(weights=models.AlexNet_Weights.DEFAULT).eval().to(self.device)
        self.ready = True
        return True

    @torch.inference_mode()
    def predict(self, payload: InferRequest, headers: dict[str, str] | None = None) -> InferResponse:
        """The five largest logits."""
        batch = torch.from_numpy(payload.inputs[0].as_numpy().copy()).to(self.device)  # a raw tensor is read-only
        values, _ = torch.topk(self.network(batch), 5)
        output = InferOutput("output-0", list(values.shape), "FP32")
        output.set_data_from_numpy(values.cpu().numpy(), binary_data=False)
        return InferResponse(generate_uuid(), self.name, [output])


if __name__ == "__main__":
    arguments, _ = argparse.ArgumentParser(parents=[model_server.parser]).parse_known_args()
    model = AlexNet(arguments.model_name)
    model.load()
    ModelServer().start([model])
