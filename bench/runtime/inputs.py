"""The image, the weights and the bodies that every server gets; always the same."""

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from safetensors.torch import save_file
from torch import nn

from mooring_runtime.backends.alexnet import Network

SEED = 20
SIZE = (500, 375)
"""Of a usual ImageNet picture."""


@dataclass(frozen=True)
class Inputs:
    """Files in one folder."""

    torch_home: Path
    """torch's cache: a model file that asks torchvision for its weights finds these."""
    model_dir: Path
    """The same weights as safetensors."""
    image_body: Path
    numbers_body: Path
    jpeg_bytes: int


def write(folder: Path) -> Inputs:
    """Make them."""
    torch_home, model_dir = folder / "torch", folder / "model"
    checkpoints = torch_home / "hub" / "checkpoints"
    for made in (checkpoints, model_dir):
        made.mkdir(parents=True)
    weights = _weights()
    torch.save(weights, checkpoints / "alexnet-owt-7be5be79.pth")
    save_file(weights, model_dir / "model.safetensors")
    picture = _jpeg()
    image_body, numbers_body = folder / "image.json", folder / "numbers.json"
    image_body.write_text(json.dumps({"instances": [{"image": {"b64": base64.b64encode(picture).decode()}}]}))
    numbers_body.write_text(json.dumps({"instances": [[1.5, 2.5, 3.5, 4.5]]}))
    return Inputs(torch_home, model_dir, image_body, numbers_body, len(picture))


def _weights() -> dict[str, torch.Tensor]:
    """He's, so that a wrong pixel changes the answer."""
    torch.manual_seed(SEED)
    network = Network(1000)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_uniform_(parameter, nonlinearity="relu")
    return network.state_dict()


def _jpeg() -> bytes:
    """Blurred noise: as many bytes as a photo of its size has."""
    pixels = np.random.default_rng(SEED).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2)).save(file, "JPEG", quality=90)
    return file.getvalue()
