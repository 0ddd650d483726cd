"""The fast profile: what may be computed otherwise when a server is told that answers may differ a little.

A JPEG is scaled while it is decoded, then by torch in bytes; weights and activations are int8 or bfloat16, as the
processor multiplies them. What that does to the answers is measured by `bench.runtime.agreement`.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from mooring_runtime.backends.image import CROP, RESIZE, corner, resized
from mooring_runtime.backends.torch_setup import has_onednn, use_threads
from mooring_runtime.datatypes import Array

_FLAGS = {
    torch.int8: frozenset({"avx512_vnni", "avx_vnni", "amx_int8"}),
    torch.bfloat16: frozenset({"avx512_bf16", "amx_bf16", "bf16"}),
}
"""What Linux calls the instructions, fastest first; on Arm, `bf16`. Emulated, either type is slower than float32."""


def fast_dtype(device: torch.device, cpuinfo: Path = Path("/proc/cpuinfo")) -> torch.dtype:
    """What to compute in on `device`: int8, bfloat16, or float32 where neither would be faster."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    try:
        text = cpuinfo.read_text()
    except OSError:  # not Linux
        return torch.float32
    lines = (line.partition(":") for line in text.splitlines())
    features = {word for name, _, words in lines if name.strip() in ("flags", "Features") for word in words.split()}
    useful = (
        dtype for dtype, flags in _FLAGS.items() if flags & features and (dtype is not torch.int8 or has_onednn())
    )
    return next(useful, torch.float32)


def fast_pixels(image: Image.Image) -> Array:
    """uint8 `[224, 224, 3]` like `image.exact_pixels`, of the same part of the image, scaled in two quicker steps.

    A JPEG's decoder halves as often as leaves 256 pixels or more; the rest is torch's antialiasing resize, whose
    weights have 16 bits (Pillow's have 22).
    """
    width, height = resized(*image.size)
    image.draft("RGB", (RESIZE, RESIZE))
    pixels = torch.from_numpy(np.asarray(image if image.mode == "RGB" else image.convert("RGB")))
    use_threads(1)  # several images are decoded at once
    planes = pixels[None].permute(0, 3, 1, 2)  # in this order torch sees that channels are last, and has a quicker way
    if planes.shape[2:] != (height, width):
        planes = interpolate(planes, size=(height, width), mode="bilinear", antialias=True)
    left, top = corner(width, height)
    made: Array = planes[0, :, top : top + CROP, left : left + CROP].permute(1, 2, 0).numpy()
    return made
