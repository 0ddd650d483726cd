"""MLServer's types of the v2 protocol: what `predict` gets and answers (spec: runtime.md section 4.1).

Datatypes are plain text once parsed. `model_dump` leaves out what was not set and what is None.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr, RootModel

from mooring_api.v2 import Datatype
from mooring_api.v2 import RepositoryState as State
from mooring_runtime.mlserver.tensor_data import TensorData

__all__ = [
    "Datatype",
    "InferenceErrorResponse",
    "InferenceRequest",
    "InferenceResponse",
    "MetadataModelErrorResponse",
    "MetadataModelResponse",
    "MetadataServerErrorResponse",
    "MetadataServerResponse",
    "MetadataTensor",
    "Parameters",
    "RepositoryIndexRequest",
    "RepositoryIndexResponse",
    "RepositoryIndexResponseItem",
    "RepositoryLoadErrorResponse",
    "RepositoryUnloadErrorResponse",
    "RequestInput",
    "RequestOutput",
    "ResponseOutput",
    "State",
    "TensorData",
]


class Decoded:
    """The value that something was decoded to; a class of its own, since values like arrays do not compare."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Type(BaseModel):
    """What all of them share."""

    model_config = ConfigDict(use_enum_values=True, protected_namespaces=())

    _decoded: Decoded | None = PrivateAttr(None)

    def model_dump(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As pydantic's, without what was not set and what is None."""
        return super().model_dump(*args, **{"exclude_unset": True, "exclude_none": True, **kwargs})

    def model_dump_json(self, *args: Any, **kwargs: Any) -> str:
        """As pydantic's, without what was not set and what is None."""
        return super().model_dump_json(*args, **{"exclude_unset": True, "exclude_none": True, **kwargs})


class Parameters(_Type):
    """Parameters of a request, response or tensor; any others are kept as well."""

    model_config = ConfigDict(extra="allow")

    content_type: str | None = None
    """How to decode the data."""
    headers: dict[str, Any] | None = None
    """Headers of the request, or to send with the response."""


class MetadataTensor(_Type):
    """A tensor that a model declares; -1 in `shape` stands for any size."""

    name: str
    datatype: Datatype
    shape: list[int]
    parameters: Parameters | None = None


class MetadataModelResponse(_Type):
    """What a model tells of itself."""

    name: str
    versions: list[str] | None = None
    platform: str
    inputs: list[MetadataTensor] | None = None
    outputs: list[MetadataTensor] | None = None
    parameters: Parameters | None = None


class MetadataModelErrorResponse(_Type):
    """Why a model tells nothing."""

    error: str


class MetadataServerErrorResponse(_Type):
    """Why the server tells nothing."""

    error: str


class MetadataServerResponse(_Type):
    """Who answers."""

    name: str
    version: str
    extensions: list[str]


class RequestInput(_Type):
    """An input tensor."""

    name: str
    shape: list[int]
    datatype: Datatype
    parameters: Parameters | None = None
    data: TensorData


class RequestOutput(_Type):
    """An output that the client asks for."""

    name: str
    parameters: Parameters | None = None


class ResponseOutput(_Type):
    """An output tensor."""

    name: str
    shape: list[int]
    datatype: Datatype
    parameters: Parameters | None = None
    data: TensorData


class InferenceRequest(_Type):
    """A request."""

    id: str | None = None
    parameters: Parameters | None = None
    inputs: list[RequestInput]
    outputs: list[RequestOutput] | None = None


class InferenceResponse(_Type):
    """An answer."""

    model_name: str
    model_version: str | None = None
    id: str | None = None
    parameters: Parameters | None = None
    outputs: list[ResponseOutput]


class InferenceErrorResponse(_Type):
    """Why there is none."""

    error: str | None = None


class RepositoryIndexRequest(_Type):
    """Which models to list."""

    ready: bool | None = None
    """Whether only those that are ready."""


class RepositoryIndexResponseItem(_Type):
    """One model of the list."""

    name: str
    version: str | None = None
    state: State
    reason: str


class RepositoryIndexResponse(RootModel[list[RepositoryIndexResponseItem]]):
    """The list."""

    def __iter__(self) -> Iterator[RepositoryIndexResponseItem]:  # type: ignore[override] # as in TensorData
        return iter(self.root)

    def __getitem__(self, index: int) -> RepositoryIndexResponseItem:
        return self.root[index]

    def __len__(self) -> int:
        return len(self.root)


class RepositoryLoadErrorResponse(_Type):
    """Why a model was not loaded."""

    error: str | None = None


class RepositoryUnloadErrorResponse(_Type):
    """Why a model was not unloaded."""

    error: str | None = None
