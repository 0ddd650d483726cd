"""AlexNet's layers in int8, for processors that multiply it twice as fast as bfloat16.

Weights have a scale for each output channel, activations one for each image, taken from that image's largest value as
it comes: nothing is to be calibrated, and no row depends on its neighbours in the batch. Sums are whole numbers, so an
image has the same logits alone and in any batch.

The kernels are oneDNN's, by the operators that torch's own compiler lowers quantized models to.
"""

from typing import cast

import torch
from torch import nn
from torch.nn.functional import max_pool2d

from mooring_runtime.backends.alexnet_network import Network
from mooring_runtime.backends.image import CROP, MEAN, STD

_SIGNED_LEVELS, _LEVELS = 127, 255
_MIDDLE = 128
"""What stands for 0 in a signed input: the kernels take unsigned bytes."""
_LEAST = 1e-30
"""Of what a level is worth, so that zeros can be divided by it."""
_BORDER = 2
"""Pixels around an image."""

Quantized = tuple[torch.Tensor, torch.Tensor]
"""Unsigned bytes, and what a level of each row is worth."""


class Int8Network(nn.Module):
    """The same network on quantized weights.

    Attributes:
        classes: Logits of an image.
        dtype: Of tensors that go in: float32, quantized here.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.classes = network.classes
        self.dtype = torch.float32
        first, *convolutions = (layer for layer in network.features if isinstance(layer, nn.Conv2d))
        stride = first.stride[0]
        self._of_pixels = _Convolution(*_with_normalization(first), stride)
        self._of_tensors = _Convolution(first.weight.detach(), _bias(first), stride, _BORDER, zero=_MIDDLE)
        self._convolutions = [
            _Convolution(layer.weight.detach(), _bias(layer), padding=layer.kernel_size[0] // 2)
            for layer in convolutions
        ]
        self._matrices = [_Matrix(layer) for layer in network.classifier if isinstance(layer, nn.Linear)]
        self._border = torch.from_numpy(MEAN * 255).round().to(torch.uint8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """To logits `[N, classes]`.

        Args:
            images: Pixels, uint8 `[N, 224, 224, 3]`, or what they are once normalized, float32 `[N, 3, 224, 224]`.
        """
        first = self._from_pixels if images.dtype is torch.uint8 else self._from_tensor
        values, level = _unsigned(first(images))
        last = len(self._convolutions) - 1
        for position, convolution in enumerate(self._convolutions):
            sums = convolution(values)
            if position in (0, last):  # before they are multiplied, as levels are positive: the largest stays it
                sums = _pooled(sums)
            values, level = _unsigned(torch.addcmul(convolution.bias, sums, level))
        values, level = values.flatten(1), level.flatten(1)  # 6 x 6 already: the average pool would change nothing
        *hidden, head = self._matrices
        for matrix in hidden:
            values, level = _unsigned(torch.addcmul(matrix.bias, matrix(values), level))
        return torch.addcmul(head.bias, head(values), level)

    def _from_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        side = CROP + 2 * _BORDER
        framed = self._border.expand(len(pixels), side, side, 3).contiguous()
        framed[:, _BORDER:-_BORDER, _BORDER:-_BORDER] = pixels
        return _pooled(self._of_pixels(framed.permute(0, 3, 1, 2))) + self._of_pixels.bias

    def _from_tensor(self, images: torch.Tensor) -> torch.Tensor:
        level = (images.abs().amax((1, 2, 3), keepdim=True) / _SIGNED_LEVELS).clamp_min(_LEAST)
        values = (images * (1 / level)).add_(_MIDDLE + 0.5).to(torch.uint8)
        sums = self._of_tensors(values.contiguous(memory_format=torch.channels_last))
        return torch.addcmul(self._of_tensors.bias, _pooled(sums), level)


class _Convolution:
    """Bytes to float32 sums; what a level is worth, and the bias, are the caller's to apply."""

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor, stride: int = 1, padding: int = 0, zero: int = 0
    ) -> None:
        self._levels, self._scales, self._zeros = _weight_levels(weight)
        self._zero = zero
        self._shape = ([stride] * 2, [padding] * 2, [1, 1], 1)  # the last two: dilation, groups
        self._laid_out: dict[tuple[int, bool], torch.Tensor] = {}
        self.bias = bias[:, None, None]

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        sums: torch.Tensor = torch.ops.onednn.qconv2d_pointwise(
            *(values, 1.0, self._zero, self._weight(values), self._scales, self._zeros, None, *self._shape),
            *(1.0, 0, torch.float32, "none", [], ""),
        )
        return sums

    def _weight(self, values: torch.Tensor) -> torch.Tensor:
        """Laid out as the kernel wants it for so many threads: else it does that anew each time, in up to 14 ms."""
        key = (torch.get_num_threads(), len(values) == 1)
        if key not in self._laid_out:
            self._laid_out[key] = torch.ops.onednn.qconv_prepack(
                self._levels, self._scales, 1.0, self._zero, *self._shape, list(values.shape)
            )
        return self._laid_out[key]


class _Matrix:
    """As `_Convolution`."""

    def __init__(self, layer: nn.Linear) -> None:
        levels, self._scales, self._zeros = _weight_levels(layer.weight.detach())
        self._weight = torch.ops.onednn.qlinear_prepack(levels, None)
        self.bias = _bias(layer)

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        sums: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            *(values, 1.0, 0, self._weight, self._scales, self._zeros, None),
            *(1.0, 0, torch.float32, "none", [], ""),
        )
        return sums


def _weight_levels(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """int8, with the scale and the zero (always 0) of each output channel."""
    flat = weight.flatten(1)
    scales = (flat.abs().amax(1) / _SIGNED_LEVELS).clamp_min(_LEAST)
    levels = (flat / scales[:, None]).round().to(torch.int8).view_as(weight)
    return levels, scales, torch.zeros(len(scales), dtype=torch.int64)


def _with_normalization(layer: nn.Conv2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias that do to pixels what the layer's own do to a normalized image."""
    mean, deviation = (torch.from_numpy(each * 255)[:, None, None] for each in (MEAN, STD))
    weight = layer.weight.detach() / deviation
    return weight, _bias(layer) - (weight * mean).sum((1, 2, 3))


def _bias(layer: nn.Conv2d | nn.Linear) -> torch.Tensor:
    """AlexNet's layers all have one."""
    return cast("torch.Tensor", layer.bias).detach()


def _unsigned(sums: torch.Tensor) -> Quantized:
    """What is below 0 becomes 0: the network's ReLU."""
    activations = sums.relu_()
    level = (activations.amax(tuple(range(1, sums.ndim)), keepdim=True) / _LEVELS).clamp_min(_LEAST)
    return (activations * (1 / level)).add_(0.5).to(torch.uint8), level


def _pooled(sums: torch.Tensor) -> torch.Tensor:
    return max_pool2d(sums, 3, 2)
