"""torchvision's AlexNet with weights from a fixed seed, and what the documents' pipeline makes of a picture with it."""

import io
from functools import cache
from typing import Any

WEIGHTS = "hub/checkpoints/alexnet-owt-7be5be79.pth"
"""Where, below TORCH_HOME, torchvision looks for what `alexnet(pretrained=True)` asks for."""


def checkpoint() -> bytes:
    """The weights as the file that torchvision would download."""
    import torch  # here: it takes seconds, and most tests do not need it

    buffer = io.BytesIO()
    torch.save(_network().state_dict(), buffer)
    return buffer.getvalue()


@cache
def picture() -> bytes:
    """A noisy JPEG of 320 x 280 pixels, always the same."""
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(20).integers(0, 256, (280, 320, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def five_largest_logits() -> list[float]:
    """Of the picture, in descending order."""
    import torch
    from PIL import Image

    network = _network()
    from torchvision import transforms

    steps = [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()]
    steps.append(transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]))
    batch = transforms.Compose(steps)(Image.open(io.BytesIO(picture()))).unsqueeze(0)
    with torch.inference_mode():
        values: list[float] = torch.topk(network(batch), 5).values.flatten().tolist()
    return values


@cache
def _network() -> Any:
    import torch

    from mooring_runtime.torchvision_ops import declare_absent_operators

    declare_absent_operators()  # before torchvision, which fails to import beside a CPU build of torch
    from torchvision import models

    torch.manual_seed(20)
    return models.alexnet(weights=None).eval()
