from pathlib import Path

import pytest
import torch

from mooring_runtime.backends.alexnet_int8 import Int8Network
from mooring_runtime.backends.alexnet_network import Network, read_network
from mooring_runtime.backends.fast import fast_dtype
from mooring_runtime.backends.image import MEAN, STD

pytestmark = pytest.mark.skipif(
    fast_dtype(torch.device("cpu")) is not torch.int8, reason="without VNNI the processor's sums of bytes saturate"
)


@pytest.fixture(scope="module")
def network(alexnet_weights: Path) -> Network:
    return read_network(alexnet_weights / "model.safetensors")


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(5, 3, 224, 224, generator=torch.Generator().manual_seed(4))


def test_logits_are_nearly_those_of_float32(network: Network, images: torch.Tensor) -> None:
    with torch.inference_mode():
        expected, found = network(images), Int8Network(network)(images)
    assert found.dtype is torch.float32
    spread = float(expected.max() - expected.min())
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02 * spread)


def test_a_row_does_not_depend_on_its_batch(network: Network, images: torch.Tensor) -> None:
    quantized = Int8Network(network)
    scaled = images * torch.tensor([1, 1e-3, 1e3, 1, 1])[:, None, None, None]
    with torch.inference_mode():
        together = quantized(scaled)
        alone = torch.cat([quantized(row[None]) for row in scaled])
    assert torch.equal(together, alone)


def test_pixels_are_taken_as_they_are(network: Network) -> None:
    pixels = torch.randint(0, 256, (3, 224, 224, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    images = (pixels.permute(0, 3, 1, 2) / 255 - torch.from_numpy(MEAN)[:, None, None]) / torch.from_numpy(STD)[
        :, None, None
    ]
    quantized = Int8Network(network)
    with torch.inference_mode():
        expected, found = network(images), quantized(pixels)
        alone = quantized(pixels[1:2])
    spread = float(expected.max() - expected.min())
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02 * spread)
    assert torch.equal(found[1:2], alone)


def test_zeros_and_what_is_no_number_stay_in_their_rows(network: Network, images: torch.Tensor) -> None:
    quantized = Int8Network(network)
    spoilt = images.clone()
    spoilt[1] = 0
    spoilt[2, 0, 0, 0] = torch.nan
    with torch.inference_mode():
        expected, found = quantized(images), quantized(spoilt)
        of_zeros = network(torch.zeros(1, 3, 224, 224))[0]
    assert torch.equal(found[[0, 3, 4]], expected[[0, 3, 4]])
    torch.testing.assert_close(found[1], of_zeros, rtol=0.02, atol=0.02)
    assert found[2].isnan().all()
