"""Model files that the tests make: small TorchScript models for our runtime, and a number for the tiny server."""

import io
import warnings
from functools import cache

MODEL_FILE = "model.pt"
"""The name under which our runtime finds a TorchScript model in its folder."""


@cache
def torchscript(factor: float) -> bytes:
    """A TorchScript model that multiplies its FP32 input by `factor`; its file's bytes."""
    import torch  # here: it takes seconds, and the many-model tests do not need it

    class Scale(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * factor

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch prefers torch.export; users have TorchScript
        traced = torch.jit.trace(Scale(), torch.ones(1))  # type: ignore[no-untyped-call]  # torch ships no type for it
        torch.jit.save(traced, buffer)
    return buffer.getvalue()


def tiny(factor: float) -> dict[str, bytes]:
    """The folder of a model of the tiny server."""
    return {"factor": str(factor).encode()}


def scaling(factor: float) -> dict[str, bytes]:
    """The folder of a model of our runtime."""
    return {MODEL_FILE: torchscript(factor)}
