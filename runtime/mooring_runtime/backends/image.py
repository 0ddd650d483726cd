"""Encoded images to the tensors that ImageNet models take, bit for bit as torchvision's usual pipeline makes them.

That is `Resize(256)`, `CenterCrop(224)`, `ToTensor()`, `Normalize(mean, std)` on a PIL image; a test compares the two.
torchvision itself is not imported: that alone takes longer than all of the loading.
"""

import base64
import binascii
import io
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from PIL import Image, UnidentifiedImageError

from mooring_runtime.datatypes import Array
from mooring_runtime.errors import InvalidInput

RESIZE, CROP = 256, 224
MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
"""Of ImageNet's pixels by channel, in units of 255."""

_LEVELS = (np.arange(256, dtype=np.float32) / np.float32(255) - MEAN[:, None]) / STD[:, None]
"""What becomes of each of the 256 levels in each channel, `[channel, level]`: the same float32 steps in the same order
as ToTensor and Normalize take, done once."""


def exact_pixels(image: Image.Image) -> Array:
    """uint8 `[224, 224, 3]`, as torchvision's pipeline makes them."""
    return np.asarray(_crop(_resize(image if image.mode == "RGB" else image.convert("RGB"))))


def image_tensor(element: str | bytes, where: str, to_pixels: Callable[[Image.Image], Array] = exact_pixels) -> Array:
    """Decode and prepare one image.

    Args:
        element: The encoded image, or its base64 text.
        where: Names the image in errors.
        to_pixels: Reads an opened image's pixels, scales and crops them.

    Returns:
        float32 `[3, 224, 224]`.

    Raises:
        InvalidInput: neither an image nor base64 of one.
    """
    pixels = image_pixels(element, where, to_pixels)
    made = np.empty((3, CROP, CROP), dtype=np.float32)
    for channel in range(3):
        np.take(_LEVELS[channel], pixels[:, :, channel], out=made[channel], mode="clip")  # clip: no copy for safety
    return made


def image_pixels(element: str | bytes, where: str, to_pixels: Callable[[Image.Image], Array] = exact_pixels) -> Array:
    """As `image_tensor`, but not normalized: uint8 `[224, 224, 3]`."""
    with _open(element, where) as image:
        try:
            return to_pixels(image)
        except (OSError, ValueError, SyntaxError) as exc:  # truncated or damaged data shows when pixels are read
            raise InvalidInput(f"{where}: the image is damaged: {exc}") from None


def _open(element: str | bytes, where: str) -> Image.Image:
    raw = _from_base64(element, where) if isinstance(element, str) else element
    image = _recognised(raw, where)
    if image is None and isinstance(element, bytes):  # a client that sends base64 text as bytes
        with suppress(binascii.Error):
            image = _recognised(base64.b64decode(element, validate=True), where)
    if image is None:
        raise InvalidInput(f"{where}: {len(raw)} bytes that are no image of a known format")
    return image


def _recognised(raw: bytes, where: str) -> Image.Image | None:
    try:
        return Image.open(io.BytesIO(raw))
    except Image.DecompressionBombError as exc:
        raise InvalidInput(f"{where}: {exc}") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return None


def _from_base64(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"{where}: the text is not base64 of an image") from None


def resized(width: int, height: int) -> tuple[int, int]:
    """Shorter side to 256, the other in proportion, rounded down (torchvision's `_compute_resized_output_size`)."""
    if min(width, height) == RESIZE:
        return width, height
    long = int(RESIZE * max(width, height) / min(width, height))
    return (RESIZE, long) if width <= height else (long, RESIZE)


def corner(width: int, height: int) -> tuple[int, int]:
    """Left and top of the middle; Python's rounding to even is torchvision's (`center_crop`)."""
    return round((width - CROP) / 2), round((height - CROP) / 2)


def _resize(image: Image.Image) -> Image.Image:
    size = resized(*image.size)
    return image if size == image.size else image.resize(size, Image.Resampling.BILINEAR)


def _crop(image: Image.Image) -> Image.Image:
    left, top = corner(*image.size)
    return image.crop((left, top, left + CROP, top + CROP))
