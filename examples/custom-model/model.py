"""AlexNet as a model of one's own: base64 image in, the five largest logits out, by REST v1 and by gRPC v2.

The import lines are KServe's: `mooring-runtime run` finds its names in Mooring's runtime.
"""

import argparse
import base64
import io

import torch
from kserve import InferRequest, InferResponse, Model, ModelServer, logging, model_server
from kserve.utils.utils import get_predict_response
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


class AlexNet(Model):
    """Loads torchvision's weights: from torch's cache ($TORCH_HOME) where they are, else from the internet."""

    def load(self) -> bool:
        """Fetch the weights and build the network."""
        self.network = models.alexnet(weights=models.AlexNet_Weights.DEFAULT).eval()
        self.ready = True
        return self.ready

    @torch.inference_mode()
    def predict(self, payload: dict | InferRequest, headers: dict | None = None) -> dict | InferResponse:
        """The five largest logits of the image."""
        by_v2 = isinstance(payload, InferRequest)
        image = payload.inputs[0].data[0] if by_v2 else base64.b64decode(payload["instances"][0]["image"]["b64"])
        batch = PREPROCESS(Image.open(io.BytesIO(image))).unsqueeze(0)
        values, _ = torch.topk(self.network(batch), 5)
        return get_predict_response(payload, values.flatten().numpy(), self.name)


parser = argparse.ArgumentParser(parents=[model_server.parser])
args, _ = parser.parse_known_args()

if __name__ == "__main__":
    if args.configure_logging:
        logging.configure_logging(args.log_config_file)
    model = AlexNet(args.model_name)
    model.load()
    ModelServer().start([model])
