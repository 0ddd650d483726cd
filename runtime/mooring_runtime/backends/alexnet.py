"""torchvision's AlexNet, from its weights alone: images or tensors in, the largest logits out.

The answers are torchvision's (a test compares them), or nearly in the fast profile.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mooring_api.v2 import Datatype
from mooring_runtime.backends.alexnet_int8 import Int8Network
from mooring_runtime.backends.alexnet_network import Network, OneDnnNetwork, read_network
from mooring_runtime.backends.base import Job, TypedArray, batch_key, holds_long_lists
from mooring_runtime.backends.fast import fast_dtype, fast_pixels
from mooring_runtime.backends.image import CROP, image_pixels, image_tensor
from mooring_runtime.backends.model_settings import ModelSettings
from mooring_runtime.backends.program import requested
from mooring_runtime.backends.torch_setup import from_torch, has_onednn, to_torch, use_threads
from mooring_runtime.datatypes import Array, datatype_of
from mooring_runtime.errors import InvalidInput, ModelLoadFailed
from mooring_runtime.infer_type import InferInput, InferOutput, InferRequest, InferResponse
from mooring_runtime.logging import logger
from mooring_runtime.registry.servable import ModelMetadata, TensorMetadata

Computing = Network | OneDnnNetwork | Int8Network

BATCH_ROWS = 32
"""Rows do not depend on each other; past 32 the CPU gains nothing (measured: 117, 144, 151 images/s at 8, 16, 32)."""


def load(path: Path, settings: ModelSettings, device: torch.device) -> "AlexNetBackend":
    """Load weights onto `device`.

    Raises:
        ModelLoadFailed: the file is corrupt, holds pickled objects, or its weights are not AlexNet's.
    """
    network = read_network(path)
    if settings.profile == "fast":
        dtype = fast_dtype(device)
        logger.info("%s computes in %s on quickly scaled images: the profile is fast", path, _name(dtype))
        fast = _quicker(network, dtype, device)
        to_row = image_pixels if dtype is torch.int8 else image_tensor
        return AlexNetBackend(Arithmetic(fast, fast, partial(to_row, to_pixels=fast_pixels)), settings, device)
    network = network.to(device)
    return AlexNetBackend(Arithmetic(network, _quicker(network, torch.float32, device)), settings, device)


def _name(dtype: torch.dtype) -> str:
    name = str(dtype).removeprefix("torch.")
    return f"{name}, as this processor multiplies neither int8 nor bfloat16," if dtype is torch.float32 else name


def _quicker(network: Network, dtype: torch.dtype, device: torch.device) -> Computing:
    """The same network for `device`, by the kernels that are fastest there."""
    if dtype is torch.int8:
        return Int8Network(network)
    if device.type == "cpu" and has_onednn():
        return OneDnnNetwork(network, dtype)
    return network.laid_out(dtype).to(device)


@dataclass(frozen=True)
class Arithmetic:
    """How the backend computes."""

    alone: Computing
    """For one row."""
    together: Computing
    """For several; weights that are equal are shared."""
    to_row: Callable[[str | bytes, str], Array] = image_tensor
    """An encoded image, or its base64 text, to one row of what they take; the second argument names it in errors."""


class AlexNetBackend:
    """Runs the network; images are decoded in `prepare`, so that several decode while one batch computes."""

    def __init__(self, arithmetic: Arithmetic, settings: ModelSettings, device: torch.device) -> None:
        self._arithmetic = arithmetic
        self._settings = settings
        self._device = device
        classes = arithmetic.alone.classes
        if settings.class_names and len(settings.class_names) != classes:
            raise ModelLoadFailed(
                f"mooring.json has {len(settings.class_names)} class_names, the model {classes} classes.", "Correct it."
            )
        self.max_batch_rows = settings.max_batch_rows or BATCH_ROWS
        self.concurrency = 2 if device.type == "cpu" and torch.get_num_threads() > 1 else 1
        top_k = min(settings.top_k, classes)
        self.metadata = ModelMetadata(
            "pytorch_alexnet",
            (TensorMetadata("input-0", Datatype.FP32, (-1, 3, CROP, CROP)),),
            (
                TensorMetadata("output-0", Datatype.FP32, (-1, top_k)),
                TensorMetadata("class_ids", Datatype.INT64, (-1, top_k)),
                TensorMetadata("logits", Datatype.FP32, (-1, classes), settings.class_names),
                *([TensorMetadata("class_names", Datatype.BYTES, (-1, top_k))] if settings.class_names else []),
            ),
        )

    def is_heavy(self, request: InferRequest) -> bool:
        """Where images are to be decoded, or lists to be read."""
        return any(tensor.datatype is Datatype.BYTES for tensor in request.inputs) or holds_long_lists(request)

    def prepare(self, request: InferRequest) -> Job:
        """Take one input: BYTES of images (base64 text or raw), or FP32 `[N, 3, 224, 224]`.

        Raises:
            InvalidInput: it is neither.
        """
        if len(request.inputs) != 1:
            raise InvalidInput(f"the model takes 1 input, the request has {len(request.inputs)}")
        _top_k(request, 1)
        tensor = request.inputs[0]
        array = _images(tensor, self._arithmetic.to_row)
        inputs = (TypedArray(datatype_of(array), array),)
        key, rows = batch_key(request, inputs)
        return Job(request, inputs, key, rows)

    def forward(self, inputs: Sequence[TypedArray]) -> tuple[TypedArray, ...]:
        """Logits `[N, classes]`.

        Exactly, one image runs as torchvision runs it, so that its answer is the same to the last bit. Several run by
        kernels that are faster, which add the same products up in another order.
        """
        images = to_torch(inputs[0], self._device)
        network = self._arithmetic.alone if len(images) == 1 else self._arithmetic.together
        with torch.inference_mode():
            images = images.to(network.dtype) if images.is_floating_point() else images
            return (from_torch(network(images).float()),)

    def finish(self, job: Job, outputs: tuple[TypedArray, ...]) -> list[InferOutput]:
        """The k largest logits as `output-0`; class ids, class names and all logits where they are asked for."""
        logits = outputs[0].array
        k = min(_top_k(job.request, self._settings.top_k), logits.shape[1])
        ids = np.argsort(-logits, axis=1, kind="stable")[:, :k]
        top = InferOutput.from_numpy("output-0", np.take_along_axis(logits, ids, axis=1))
        if not job.request.request_outputs:
            return [top]
        arrays = {"class_ids": ids, "logits": logits}
        if self._settings.class_names:
            arrays["class_names"] = np.array(self._settings.class_names, dtype=object)[ids]
        every = {name: InferOutput.from_numpy(name, array) for name, array in arrays.items()}
        return requested({top.name: top, **every}, job.request)

    def from_v1(self, body: Any) -> InferRequest:
        """Read `{"instances": [{"image": {"b64": TEXT}}, ...]}`; an instance may be `{"data": [3][224][224]}` instead.

        A body that is no JSON is an image.

        Raises:
            InvalidInput: an instance is neither.
        """
        if isinstance(body, bytes):
            return InferRequest("", [InferInput("input-0", [1], Datatype.BYTES, [body])])
        instances = body.get("instances") if isinstance(body, dict) else None
        if not isinstance(instances, list) or not instances:
            raise InvalidInput('Expected "instances" to be a list')
        if isinstance(instances[0], dict) and "data" in instances[0]:
            arrays = np.stack([_numbers(instance, position) for position, instance in enumerate(instances)])
            return InferRequest("", [InferInput("input-0", arrays.shape, Datatype.FP32, arrays)])
        texts = [_image_text(instance, position) for position, instance in enumerate(instances)]
        return InferRequest("", [InferInput("input-0", [len(texts)], Datatype.BYTES, texts)])

    def to_v1(self, response: InferResponse) -> Any:
        """Five numbers for one instance, as KServe's sample answers; a list of such lists for several."""
        rows = response.outputs[0].as_numpy().tolist()
        return {"predictions": rows[0] if len(rows) == 1 else rows}

    def use_cpus(self, count: int) -> None:
        """As torch's threads of this thread."""
        use_threads(count)

    def warm_up(self) -> None:
        """One row and several: memory is there and kernels are chosen."""
        for rows in (1, 2):
            self.forward([TypedArray(Datatype.FP32, np.zeros((rows, 3, CROP, CROP), np.float32))])


def _images(tensor: InferInput, to_row: Callable[[str | bytes, str], Array]) -> Array:
    if tensor.datatype is Datatype.BYTES:
        elements = tensor.as_numpy().ravel()
        if not elements.size:
            raise InvalidInput(f"input '{tensor.name}': holds no image")
        images = [to_row(each, f"input '{tensor.name}' [{i}]") for i, each in enumerate(elements)]
        return images[0][None] if len(images) == 1 else np.stack(images)  # the usual one is not copied
    if tensor.datatype is not Datatype.FP32:
        raise InvalidInput(f"input '{tensor.name}': datatype must be BYTES (images) or FP32, got {tensor.datatype}")
    if len(tensor.shape) != 4 or tensor.shape[1:] != (3, CROP, CROP) or not tensor.shape[0]:
        raise InvalidInput(f"input '{tensor.name}': shape must be [N, 3, {CROP}, {CROP}], got {list(tensor.shape)}")
    return tensor.as_numpy()


def _top_k(request: InferRequest, default: int) -> int:
    """The request's wish; parameter `top_k`."""
    wish = request.parameters.get("top_k", default)
    if type(wish) is not int or wish < 1:
        raise InvalidInput(f"parameter top_k must be a whole number of at least 1, got {wish!r}")
    return wish


def _image_text(instance: Any, position: int) -> str:
    image = instance.get("image", instance) if isinstance(instance, dict) else None
    text = image.get("b64") if isinstance(image, dict) else None
    if not isinstance(text, str):
        raise InvalidInput(f'instances[{position}]: expected {{"image": {{"b64": "<base64 of an image>"}}}}')
    return text


def _numbers(instance: Any, position: int) -> Array:
    data = instance.get("data") if isinstance(instance, dict) else None
    try:
        array: Array = np.asarray(data, dtype=np.float32)
    except (ValueError, TypeError):
        array = np.empty(0, dtype=np.float32)
    if array.shape != (3, CROP, CROP):
        raise InvalidInput(f"instances[{position}].data: expected numbers of shape [3, {CROP}, {CROP}]")
    return array
