"""The words of the v2 (Open Inference Protocol) API that more than one process uses.

Source: open-inference-protocol `specification/protocol/`, and Triton's `extension_model_repository.md` for the
repository part.
"""

from enum import StrEnum
from urllib.parse import quote


class Datatype(StrEnum):
    """Tensor element types of the protocol; BF16 is Triton's addition."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    BF16 = "BF16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"


class RepositoryState(StrEnum):
    """State of a model in the repository index."""

    READY = "READY"
    UNAVAILABLE = "UNAVAILABLE"
    LOADING = "LOADING"
    UNLOADING = "UNLOADING"


HEALTH_LIVE = "/v2/health/live"
HEALTH_READY = "/v2/health/ready"
REPOSITORY_INDEX = "/v2/repository/index"


def load_path(model: str) -> str:
    """Where to POST to load `model`."""
    return f"/v2/repository/models/{quote(model, safe='')}/load"


def unload_path(model: str) -> str:
    """Where to POST to unload `model`."""
    return f"/v2/repository/models/{quote(model, safe='')}/unload"


def ready_path(model: str) -> str:
    """Where to GET whether `model` is ready."""
    return f"/v2/models/{quote(model, safe='')}/ready"
