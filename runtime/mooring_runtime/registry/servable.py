"""What the data plane serves: a loaded model, whoever wrote it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from mooring_runtime.infer_type import InferRequest, InferResponse

Headers = dict[str, str]
"""Lower-case header names (REST) or metadata keys (gRPC) to values."""


@dataclass(frozen=True)
class TensorMetadata:
    """An input or output that a model declares; -1 in `shape` stands for any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    labels: tuple[str, ...] = ()
    """Names of the classes by index, where an output scores classes."""


@dataclass(frozen=True)
class ModelMetadata:
    """What a model tells of itself."""

    platform: str = ""
    inputs: tuple[TensorMetadata, ...] = ()
    outputs: tuple[TensorMetadata, ...] = ()


class Servable(Protocol):
    """A loaded, warmed-up model. Its methods run on the server's loop and never block it."""

    async def is_ready(self) -> bool:
        """Whether it can answer now."""

    async def metadata(self) -> ModelMetadata:
        """What it declares."""

    async def infer(self, request: InferRequest, headers: Headers) -> tuple[InferResponse, Headers]:
        """Answer a v2 request, and name headers to send with the answer."""

    async def predict(self, body: Any, headers: Headers) -> tuple[Any, Headers]:
        """Answer a v1 request: decoded JSON (or bytes) in; dict, str, bytes or an async iterator of them out."""

    async def explain(self, body: Any, headers: Headers) -> tuple[Any, Headers]:
        """Explain a v1 request."""

    async def close(self) -> None:
        """Free what the model holds; nothing is in flight any more."""


@runtime_checkable
class StreamingServable(Servable, Protocol):
    """A servable that may answer a v2 request in several pieces."""

    def infer_stream(self, request: InferRequest, headers: Headers) -> AsyncIterator[InferResponse]:
        """Answer a v2 request piece by piece."""


@runtime_checkable
class ConversingServable(Servable, Protocol):
    """A servable that may answer the requests of one stream together."""

    @property
    def converses(self) -> bool:
        """Whether it does."""

    def converse(
        self, request: InferRequest, more: AsyncIterator[InferRequest], headers: Headers
    ) -> AsyncIterator[InferResponse]:
        """Answer a v2 request and those that follow it, with as many pieces as it likes."""


@runtime_checkable
class Versioned(Protocol):
    """A servable that says its own version, however often it is loaded."""

    @property
    def version(self) -> str | None:
        """The version; None for a model without."""
