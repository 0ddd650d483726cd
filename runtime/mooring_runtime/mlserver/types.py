"""MLServer's types of the v2 protocol: what `predict` gets and answers (spec: runtime.md section 4.1).

Datatypes are plain text once parsed. `model_dump` leaves out what was not set and what is None.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel

from mooring_api.v2 import Datatype
from mooring_api.v2 import RepositoryState as State

__all__ = [
    "Datatype",
    "InferenceErrorResponse",
    "InferenceRequest",
    "InferenceResponse",
    "MetadataModelErrorResponse",
    "MetadataModelResponse",
    "MetadataServerResponse",
    "MetadataTensor",
    "Parameters",
    "RequestInput",
    "RequestOutput",
    "ResponseOutput",
    "State",
    "TensorData",
]


class _Type(BaseModel):
    """What all of them share."""

    model_config = ConfigDict(use_enum_values=True, protected_namespaces=())

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


class TensorData(RootModel[Any]):
    """The elements of a tensor: a list, flat or nested."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override] # the elements, as MLServer's, not pydantic's fields
        return iter(self.root)

    def __getitem__(self, index: int) -> Any:
        return self.root[index]

    def __len__(self) -> int:
        return len(self.root)


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
