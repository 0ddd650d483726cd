"""The image, the weights and the bodies that every server gets; always the same."""

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from safetensors.torch import save_file
from torch import nn

from mooring_runtime import InferInput, InferRequest
from mooring_runtime.backends.alexnet_network import Network
from mooring_runtime.backends.image import CROP
from mooring_runtime.datatypes import Array

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
    image: Path
    """v1: a JPEG as base64."""
    numbers: Path
    """v1: four numbers."""
    tensor_binary: Path
    """v2: FP32 1x3x224x224 behind its JSON."""
    tensor_json_length: int
    """Of that JSON."""
    tensor_json: Path
    """v2: the same tensor as JSON numbers."""
    tensor_message: Path
    """v2 by gRPC: the same tensor in `raw_input_contents`."""
    numbers_json: Path
    """v2: FP32 1x4."""
    numbers_message: Path
    """v2 by gRPC: the same, raw."""
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

    def written(name: str, content: bytes) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    image = _jpeg()
    text = base64.b64encode(image).decode()
    binary, length = _binary("alexnet", _tensor())
    four = np.array([[1.5, 2.5, 3.5, 4.5]], np.float32)
    return Inputs(
        torch_home=torch_home,
        model_dir=model_dir,
        image=written("image.json", json.dumps({"instances": [{"image": {"b64": text}}]}).encode()),
        numbers=written("numbers.json", json.dumps({"instances": four.tolist()}).encode()),
        tensor_binary=written("tensor.bin", binary),
        tensor_json_length=length,
        tensor_json=written("tensor.json", _document(_tensor())),
        tensor_message=written("tensor.pb", _message("alexnet", _tensor())),
        numbers_json=written("numbers-v2.json", _document(four)),
        numbers_message=written("numbers.pb", _message("identity", four)),
        jpeg_bytes=len(image),
    )


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


def picture(seed: int) -> bytes:
    """A JPEG of smooth colours, shapes with hard edges and some noise, of any size from 280 to 800 pixels."""
    random = np.random.default_rng(seed)
    width, height = (int(side) for side in random.integers(280, 801, 2))
    few = random.integers(0, 256, (*random.integers(2, 12, 2), 3), dtype=np.uint8)
    image = Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(2, 12)):
        left, right = sorted(random.integers(0, width, 2).tolist())
        top, bottom = sorted(random.integers(0, height, 2).tolist())
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape((left, top, right, bottom), fill=tuple(random.integers(0, 256, 3).tolist()))
    noise = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    file = io.BytesIO()
    Image.blend(image, noise.filter(ImageFilter.GaussianBlur(1.5)), random.uniform(0.05, 0.4)).save(
        file, "JPEG", quality=90
    )
    return file.getvalue()


def _tensor() -> Array:
    """`[1, 3, 224, 224]` as a normalized image is; four decimals, so that JSON is as long as usual, and exact."""
    pixels = np.random.default_rng(SEED).standard_normal((1, 3, CROP, CROP))
    rounded: Array = pixels.round(4).astype(np.float32)
    return rounded


def _document(array: Array) -> bytes:
    numbers = [float(str(number)) for number in array.ravel()]  # by the shortest text: 0.1, not 0.10000000149
    tensor = {"name": "input-0", "shape": array.shape, "datatype": "FP32", "data": numbers}
    return json.dumps({"inputs": [tensor]}).encode()


def _binary(model: str, array: Array) -> tuple[bytes, int]:
    """A body of the binary tensor extension, and how much of it is JSON."""
    tensor = InferInput("input-0", list(array.shape), "FP32")
    tensor.set_data_from_numpy(array, binary_data=True)
    body, length = InferRequest(model, [tensor]).to_rest()
    if not isinstance(body, bytes) or length is None:
        raise TypeError("a binary tensor was not written as bytes")
    return body, length


def _message(model: str, array: Array) -> bytes:
    tensor = InferInput("input-0", list(array.shape), "FP32")
    tensor.set_data_from_numpy(array, binary_data=True)
    message: bytes = InferRequest(model, [tensor]).to_grpc().SerializeToString()
    return message
