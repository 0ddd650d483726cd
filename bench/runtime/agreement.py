"""What the fast profile does to AlexNet's answers: how often the best class stays, how far the logits move."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mooring_runtime import InferInput, InferRequest, RequestedOutput
from mooring_runtime.backends.base import Backend, run_batch
from mooring_runtime.backends.loading import load_backend
from mooring_runtime.datatypes import Array


@dataclass(frozen=True)
class Agreement:
    """Of the fast profile with the exact one, over some images."""

    images: int
    top1: float
    """Share of the images whose largest logit is the same class's."""
    largest_difference: float
    """Between two logits of one class."""
    spread: float
    """The largest exact logit less the smallest: what the difference is to be seen against."""


def measure(model_dir: Path, images: Sequence[bytes], cpus: int) -> Agreement:
    """Answer encoded images in both profiles, one by one, on the CPU."""
    exact, fast = (
        _logits(load_backend(model_dir, "cpu", cpus, profile=profile)[0], images) for profile in ("exact", "fast")
    )
    return compare(exact, fast)


def compare(exact: Array, fast: Array) -> Agreement:
    """Compare logits `[images, classes]`."""
    top1 = float(np.mean(exact.argmax(axis=1) == fast.argmax(axis=1)))
    return Agreement(len(exact), top1, float(np.abs(exact - fast).max()), float(exact.max() - exact.min()))


def _logits(backend: Backend, images: Sequence[bytes]) -> Array:
    rows = []
    for image in images:
        tensor = InferInput("input-0", [1], "BYTES", [image])
        request = InferRequest("alexnet", [tensor], request_outputs=[RequestedOutput("logits")])
        (outputs,) = run_batch(backend, [backend.prepare(request)])
        if isinstance(outputs, Exception):
            raise outputs
        rows.append(outputs[0].as_numpy())
    return np.concatenate(rows)
