"""torchvision's AlexNet, from its weights alone: images or tensors in, the largest logits out.

The architecture and the names of its weights are those of `torchvision.models.alexnet`, so a file saved from there
loads here, and the answers are equal (a test compares them). Weights are read from safetensors, or by
`torch.load(weights_only=True)`; a pickle that needs more is refused.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from mooring_api.v2 import Datatype
from mooring_runtime.backends.base import Job, TypedArray, batch_key
from mooring_runtime.backends.image import CROP, image_tensor
from mooring_runtime.backends.model_settings import ModelSettings
from mooring_runtime.backends.program import requested
from mooring_runtime.backends.torch_setup import from_torch, to_torch, use_threads
from mooring_runtime.datatypes import Array
from mooring_runtime.errors import InvalidInput, ModelLoadFailed
from mooring_runtime.infer_type import InferInput, InferOutput, InferRequest, InferResponse
from mooring_runtime.servable import ModelMetadata, TensorMetadata

BATCH_ROWS = 32
"""Rows do not depend on each other; past 32 the CPU gains nothing (measured: 117, 144, 151 images/s at 8, 16, 32)."""


class Network(nn.Module):
    """The layers, numbered as torchvision numbers them; dropout is left out, the numbers are kept."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            *(nn.Identity(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(inplace=True)),
            *(nn.Identity(), nn.Linear(4096, 4096), nn.ReLU(inplace=True)),
            nn.Linear(4096, classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """`[N, 3, 224, 224]` to logits `[N, classes]`."""
        logits: torch.Tensor = self.classifier(torch.flatten(self.avgpool(self.features(images)), 1))
        return logits


def load(path: Path, settings: ModelSettings, device: torch.device) -> "AlexNetBackend":
    """Load weights onto `device`, in float32.

    Raises:
        ModelLoadFailed: the file is corrupt, holds pickled objects, or its weights are not AlexNet's.
    """
    weights = _read(path)
    head = weights.get("classifier.6.weight")
    with torch.device("meta"):
        network = Network(head.shape[0] if head is not None and head.ndim == 2 else 1000)
    try:
        network.load_state_dict({name: value.float() for name, value in weights.items()}, assign=True)
    except RuntimeError as exc:
        detail = " ".join(str(exc).split("\n\t")[1:2])[:300]
        raise ModelLoadFailed(
            f"{path.name} holds weights that are not AlexNet's: {detail}",
            "Only AlexNet is served from bare weights; save other models by torch.jit.save or torch.export.save.",
        ) from exc
    return AlexNetBackend(network.to(device).eval(), settings, device)


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        if path.suffix == ".safetensors":
            # Copied out of the file's mapping: a file that changes later must not change the model.
            return {name: value.clone() for name, value in load_file(path).items()}
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as exc:
        raise ModelLoadFailed(
            f"{path.name} holds pickled Python objects, or is corrupt; it is not unpickled, since that could run code.",
            "Save the weights alone: torch.save(model.state_dict(), ...) or safetensors.",
        ) from exc
    except (SafetensorError, RuntimeError, EOFError, ValueError, OSError) as exc:
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise ModelLoadFailed(f"{path.name} is corrupt: {reason}.", "Upload it again, whole.") from exc
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise ModelLoadFailed(
            f"{path.name} is not a state dict of tensors.", "Save it by torch.save(model.state_dict(), ...)."
        )
    return weights


class AlexNetBackend:
    """Runs the network; images are decoded in `prepare`, so that several decode while one batch computes."""

    def __init__(self, network: Network, settings: ModelSettings, device: torch.device) -> None:
        self._network = network
        self._batched = _channels_last(network)
        self._settings = settings
        self._device = device
        classes = network.classes
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
        """Where images are to be decoded."""
        return any(tensor.datatype is Datatype.BYTES for tensor in request.inputs)

    def prepare(self, request: InferRequest) -> Job:
        """Take one input: BYTES of images (base64 text or raw), or FP32 `[N, 3, 224, 224]`.

        Raises:
            InvalidInput: it is neither.
        """
        if len(request.inputs) != 1:
            raise InvalidInput(f"the model takes 1 input, the request has {len(request.inputs)}")
        _top_k(request, 1)
        tensor = request.inputs[0]
        inputs = (TypedArray(Datatype.FP32, _images(tensor)),)
        key, rows = batch_key(request, inputs)
        return Job(request, inputs, key, rows)

    def forward(self, inputs: Sequence[TypedArray]) -> tuple[TypedArray, ...]:
        """Logits `[N, classes]`.

        One image runs as torchvision runs it, so that its answer is the same to the last bit. Several run in the
        layout that the CPU is faster at, which adds the same products up in another order.
        """
        images = to_torch(inputs[0], self._device)
        network = self._network if len(images) == 1 else self._batched
        with torch.inference_mode():
            return (from_torch(network(images)),)

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
        """One row: memory is there and kernels are chosen."""
        self.forward([TypedArray(Datatype.FP32, np.zeros((1, 3, CROP, CROP), np.float32))])


def _channels_last(network: Network) -> Network:
    """The same layers on weights in that layout; those of the classifier, nearly all of the memory, are shared."""
    with torch.device("meta"):
        copy = Network(network.classes)
    layouts = {4: torch.channels_last}  # by dimensions: a matrix has no channels
    weights = {
        name: value.contiguous(memory_format=layouts.get(value.ndim, torch.contiguous_format))
        for name, value in network.state_dict().items()
    }
    copy.load_state_dict(weights, assign=True)
    return copy.eval()


def _images(tensor: InferInput) -> Array:
    if tensor.datatype is Datatype.BYTES:
        elements = tensor.as_numpy().ravel()
        if not elements.size:
            raise InvalidInput(f"input '{tensor.name}': holds no image")
        return np.stack(
            [image_tensor(element, f"input '{tensor.name}' [{i}]") for i, element in enumerate(elements)],
        )
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
