"""AlexNet's layers, and their weights from a file.

The architecture and the names of its weights are those of `torchvision.models.alexnet`, so a file saved from there
loads here. Weights are read from safetensors, or by `torch.load(weights_only=True)`; a pickle that needs more is
refused.
"""

import pickle
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.utils.mkldnn import to_mkldnn

from mooring_runtime.errors import ModelLoadFailed


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

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights, and of what goes in."""
        return next(self.parameters()).dtype

    def laid_out(self, dtype: torch.dtype) -> "Network":
        """The same network in `dtype`, in the layout that tensor cores are faster at, and CPUs without oneDNN.

        Weights that stay as they are, nearly all of the memory when the dtype stays, are shared.
        """
        layouts = {4: torch.channels_last}  # by dimensions: a matrix has no channels
        weights = {
            name: value.to(dtype).contiguous(memory_format=layouts.get(value.ndim, torch.contiguous_format))
            for name, value in self.state_dict().items()
        }
        return of_weights(weights, self.classes)


class OneDnnNetwork(nn.Module):
    """The same network by oneDNN all the way: images are laid out once, as its kernels want them, not at each layer.

    It multiplies small batches by oneDNN too (torch's own choice, MKL, takes half as long again), which adds the same
    products up in another order. Matrices, nearly all of the memory, are shared with `network` when the dtype is its.

    Attributes:
        classes: Logits of an image.
        dtype: Of the weights, and of what goes in.
        matrices: Weight and bias of the linear layers.
    """

    def __init__(self, network: Network, dtype: torch.dtype) -> None:
        super().__init__()
        self.classes = network.classes
        self.dtype = dtype
        self.features = to_mkldnn(deepcopy(network.features), dtype)  # type: ignore[no-untyped-call]
        layers = (layer for layer in network.classifier if isinstance(layer, nn.Linear))
        self.matrices = [(layer.weight.detach().to(dtype), layer.bias.detach().to(dtype)) for layer in layers]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """`[N, 3, 224, 224]` to logits `[N, classes]`."""
        rows = self.features(images.to_mkldnn()).flatten(1)  # 6 x 6 already: the pool would change nothing
        for position, (weight, bias) in enumerate(self.matrices):
            rows = torch.ops.aten.mkldnn_linear(rows.relu_() if position else rows, weight, bias)
        logits: torch.Tensor = rows.to_dense()
        return logits


def of_weights(weights: Mapping[str, torch.Tensor], classes: int) -> Network:
    """A network on these very tensors.

    Raises:
        RuntimeError: they are not AlexNet's; the second line says where.
    """
    with torch.device("meta"):
        network = Network(classes)
    network.load_state_dict(weights, assign=True)
    return network.eval()


def read_network(path: Path) -> Network:
    """Read a file of weights, to float32 on the CPU.

    Raises:
        ModelLoadFailed: the file is corrupt, holds pickled objects, or its weights are not AlexNet's.
    """
    weights = _read(path)
    head = weights.get("classifier.6.weight")
    classes = head.shape[0] if head is not None and head.ndim == 2 else 1000
    try:
        return of_weights({name: value.float() for name, value in weights.items()}, classes)
    except RuntimeError as exc:
        detail = " ".join(str(exc).split("\n\t")[1:2])[:300]
        raise ModelLoadFailed(
            f"{path.name} holds weights that are not AlexNet's: {detail}",
            "Only AlexNet is served from bare weights; save other models by torch.jit.save or torch.export.save.",
        ) from exc


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
