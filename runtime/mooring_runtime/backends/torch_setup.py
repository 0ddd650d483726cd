"""Importing torch and fitting it to the process: threads, device, arrays in and out.

The only module of the runtime, beside the backends that it serves, that imports torch; it is imported in a thread once
the server listens.
"""

import platform
import warnings

import numpy as np
import torch

from mooring_api.v2 import Datatype
from mooring_runtime.backends.base import TypedArray
from mooring_runtime.datatypes import datatype_of
from mooring_runtime.errors import InvalidInput, StartupError


def configure(threads: int) -> None:
    """Give torch `threads` threads per computation, the container's CPUs, not the machine's."""
    torch.set_num_threads(threads)
    # Request tensors are read-only views of the body; no backend writes to its inputs.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")


def use_threads(count: int) -> None:
    """Let this thread's computations use `count` threads; torch keeps the number by thread, OpenMP does."""
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


def has_onednn() -> bool:
    """Whether torch has oneDNN's kernels, which are for x86."""
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    return is_x86 and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


def choose_device(wish: str) -> torch.device:
    """The device for `--device`: `auto` takes CUDA where there is one.

    Raises:
        StartupError: CUDA is asked for and absent, or the text is no device.
    """
    if wish == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wish)
    except RuntimeError:
        raise StartupError(f"--device {wish}: it must be auto, cpu, cuda or cuda:N.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        build = (
            f"torch {torch.__version__} is built without CUDA" if torch.version.cuda is None else "no GPU is visible"
        )
        raise StartupError(f"--device {wish}: {build}. Use --device cpu, or a GPU image on a node with a GPU.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise StartupError(f"--device {wish}: only {torch.cuda.device_count()} GPUs are visible.")
    return device


def to_torch(tensor: TypedArray, device: torch.device) -> torch.Tensor:
    """A tensor on `device`; on the CPU it shares the array's memory (BF16 is narrowed, so copied).

    Raises:
        InvalidInput: BYTES, which torch has no tensors of.
    """
    if tensor.datatype is Datatype.BYTES:
        raise InvalidInput("this model takes numbers; BYTES inputs are for image models")
    value = torch.from_numpy(np.ascontiguousarray(tensor.array))
    if tensor.datatype is Datatype.BF16:
        value = value.to(torch.bfloat16)
    if device.type == "cuda":  # page-locked, the GPU fetches it itself while this thread goes on
        return value.pin_memory().to(device, non_blocking=True)
    return value.to(device)


def from_torch(value: torch.Tensor) -> TypedArray:
    """An array of `value`, which it shares memory with on the CPU."""
    value = value.detach().to("cpu")
    if value.dtype is torch.bfloat16:
        return TypedArray(Datatype.BF16, value.float().numpy())
    array = value.numpy()
    return TypedArray(datatype_of(array), array)
