from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mooring_runtime import InferInput, InferRequest, RequestedOutput
from mooring_runtime.backends import fast
from mooring_runtime.backends.base import Backend, run_batch
from mooring_runtime.backends.fast import fast_dtype, fast_pixels
from mooring_runtime.backends.image import exact_pixels
from mooring_runtime.backends.loading import load_backend
from mooring_runtime.datatypes import Array

CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")  # nor is it written to


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 avx512_vnni\n", torch.int8),
        ("flags\t\t: fpu amx_bf16 amx_tile amx_int8\n", torch.int8),
        ("flags\t\t: fpu avx2 avx_vnni\n", torch.int8),
        ("flags\t\t: fpu avx512f avx512_bf16\n", torch.bfloat16),
        ("Features\t: fp asimd bf16 i8mm\n", torch.bfloat16),
        ("flags\t\t: fpu avx512f\n", torch.float32),
        ("model name\t: avx512_bf16 avx512_vnni\n", torch.float32),
        ("", torch.float32),
    ],
    ids=["zen 4", "amx", "avx2", "bfloat16 alone", "arm", "neither", "elsewhere", "nothing"],
)
def test_a_processor_s_flags_tell_what_it_multiplies(
    cpuinfo: str, expected: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "has_onednn", lambda: True)
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert fast_dtype(CPU, tmp_path / "cpuinfo") is expected


def test_int8_needs_kernels_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "has_onednn", lambda: False)
    (tmp_path / "cpuinfo").write_text("flags\t: avx512_vnni avx512_bf16\n")
    assert fast_dtype(CPU, tmp_path / "cpuinfo") is torch.bfloat16


def test_a_system_that_does_not_tell_gets_float32(tmp_path: Path) -> None:
    assert fast_dtype(CPU, tmp_path / "cpuinfo") is torch.float32


def smooth(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """An opened JPEG with soft edges, as photographs have."""
    small = np.random.default_rng(width).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).convert(mode).save(file, "JPEG")
    return Image.open(file)


@pytest.mark.parametrize(
    ("width", "height", "levels"),
    [(500, 375, 1), (256, 256, 0), (300, 1000, 1), (100, 80, 1), (1030, 777, 6)],
    ids=["usual", "as it is to be", "high", "small", "scaled by its decoder"],
)
def test_quickly_scaled_pixels_are_nearly_the_exact_ones(width: int, height: int, levels: int) -> None:
    quick, exact = fast_pixels(smooth(width, height)), exact_pixels(smooth(width, height))
    assert quick.shape == exact.shape
    assert np.abs(quick.astype(int) - exact).max() <= levels


def test_images_that_are_not_rgb_become_it() -> None:
    assert fast_pixels(smooth(300, 257, "L")).shape == (224, 224, 3)


def logits(backend: Backend, images: list[bytes]) -> Array:
    inputs = [InferInput("input-0", [len(images)], "BYTES", list(images))]
    request = InferRequest("m", inputs, request_outputs=[RequestedOutput("logits")])
    (outputs,) = run_batch(backend, [backend.prepare(request)])
    assert not isinstance(outputs, Exception)
    return outputs[0].as_numpy()


@pytest.mark.parametrize("count", [1, 3])
def test_the_fast_profile_answers_nearly_as_the_exact_one(
    alexnet_weights: Path, jpeg: Callable[[int, int], bytes], count: int
) -> None:
    images = [jpeg(300 + index, 257) for index in range(count)]
    exact, quick = (load_backend(alexnet_weights, "cpu", 1, profile=profile)[0] for profile in ("exact", "fast"))
    expected, found = logits(exact, images), logits(quick, images)
    assert found.dtype == np.float32
    assert not np.array_equal(found, expected)
    spread = expected.max() - expected.min()
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.03 * spread)


def test_mooring_json_goes_before_the_server_s_profile(alexnet_weights: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").symlink_to(alexnet_weights / "model.safetensors")
    (tmp_path / "mooring.json").write_text('{"profile": "exact"}')
    _, settings = load_backend(tmp_path, "cpu", 1, profile="fast")
    assert settings.profile == "exact"
