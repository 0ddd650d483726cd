"""Makes the demo's three models and what AlexNet must answer: `make_models.py FOLDER`.

FOLDER/model1/model.pt            TorchScript, y = 2x + 1
FOLDER/model2/model.pt            TorchScript, y = x * x
FOLDER/alexnet/model.safetensors  AlexNet (torchvision's layout), weights from a fixed seed
FOLDER/request.json               one image, as KServe's AlexNet example sends it
FOLDER/expected.json              the five largest logits for it, computed here with plain torch
"""

import base64
import io
import json
import sys
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

CONVOLUTIONS = (
    (0, 3, 64, 11, 4, 2),
    (3, 64, 192, 5, 1, 2),
    (6, 192, 384, 3, 1, 1),
    (8, 384, 256, 3, 1, 1),
    (10, 256, 256, 3, 1, 1),
)
"""(index in `features`, channels in, channels out, kernel, stride, padding)"""
POOLED = (0, 3, 10)
LINEARS = ((1, 256 * 6 * 6, 4096), (4, 4096, 4096), (6, 4096, 1000))
"""(index in `classifier`, features in, features out)"""


class Line(torch.nn.Module):
    """y = 2x + 1."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        return 2 * x + 1


class Square(torch.nn.Module):
    """y = x * x."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        return x * x


def alexnet_weights(seed: int) -> dict[str, Tensor]:
    """Uniform in +-sqrt(6 / inputs) (He), so that activations keep their size through the layers."""
    random = torch.Generator().manual_seed(seed)
    shapes: dict[str, tuple[int, ...]]
    shapes = {f"features.{i}": (out, inside, kernel, kernel) for i, inside, out, kernel, _, _ in CONVOLUTIONS}
    shapes |= {f"classifier.{i}": (out, inside) for i, inside, out in LINEARS}
    weights = {}
    for name, shape in shapes.items():
        bound = (6 / torch.Size(shape[1:]).numel()) ** 0.5
        weights[f"{name}.weight"] = torch.empty(shape).uniform_(-bound, bound, generator=random)
        weights[f"{name}.bias"] = torch.zeros(shape[0])
    return weights


def alexnet(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """Logits [batch, 1000] for images [batch, 3, 224, 224]."""
    for i, _, _, _, stride, padding in CONVOLUTIONS:
        x = functional.conv2d(x, weights[f"features.{i}.weight"], weights[f"features.{i}.bias"], stride, padding).relu()
        x = functional.max_pool2d(x, 3, 2) if i in POOLED else x
    x = functional.adaptive_avg_pool2d(x, 6).flatten(1)
    for i, _, _ in LINEARS:
        x = functional.linear(x, weights[f"classifier.{i}.weight"], weights[f"classifier.{i}.bias"])
        x = x.relu() if i != LINEARS[-1][0] else x
    return x


def picture() -> Image.Image:
    """256 x 256 pixels of colour, so that scaling leaves it as it is."""
    ramp = torch.arange(256, dtype=torch.uint8)
    red, green = ramp.expand(256, 256), ramp.expand(256, 256).T
    pixels = torch.stack([red, green, red ^ green], dim=-1).contiguous()
    return Image.frombytes("RGB", (256, 256), pixels.numpy().tobytes())


def preprocess(image: Image.Image) -> Tensor:
    """The centre of the picture, normalized as ImageNet's: [1, 3, 224, 224]."""
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(256, 256, 3)
    scaled = pixels[16:240, 16:240].permute(2, 0, 1).float() / 255
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((scaled - mean[:, None, None]) / deviation[:, None, None])[None]


def main(folder: Path) -> None:
    """Write everything."""
    for name, model in (("model1", Line()), ("model2", Square())):
        (folder / name).mkdir(parents=True, exist_ok=True)
        torch.jit.save(torch.jit.script(model), folder / name / "model.pt")
    weights, image = alexnet_weights(seed=0), picture()
    (folder / "alexnet").mkdir(exist_ok=True)
    save_file(weights, folder / "alexnet" / "model.safetensors")
    png = io.BytesIO()
    image.save(png, "PNG")
    request = {"instances": [{"image": {"b64": base64.b64encode(png.getvalue()).decode()}}]}
    (folder / "request.json").write_text(json.dumps(request))
    with torch.inference_mode():
        logits = alexnet(weights, preprocess(image))
    (folder / "expected.json").write_text(json.dumps(torch.topk(logits, 5).values.flatten().tolist()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
