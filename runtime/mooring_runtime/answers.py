"""Answers of models on their way to a transport."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

from mooring_runtime.classification import classified, wants_classes
from mooring_runtime.infer_type import InferRequest, InferResponse
from mooring_runtime.registry.servable import ConversingServable, Headers, Servable, StreamingServable
from mooring_runtime.registry.serving import Serving

T = TypeVar("T")


async def finished(response: InferResponse, request: InferRequest, serving: Serving) -> InferResponse:
    """A model's answer with what its code need not know of: its version, which outputs were asked for, and how."""
    response.model_version = response.model_version or serving.version
    if not (wishes := request.request_outputs):
        return response
    response = response.with_outputs(wishes)
    if wants_classes(wishes):
        metadata = await serving.servable.metadata()
        labels = {output.name: output.labels for output in metadata.outputs}
        response.outputs = classified(response.outputs, wishes, labels)
    return response


async def pieces_of(
    servable: Servable, request: InferRequest, headers: Headers, more: AsyncIterator[InferRequest] | None
) -> AsyncGenerator[InferResponse, None]:
    """The answer in as many pieces as the model makes of it; `more` is for a model that takes streams of requests."""
    if more is not None and isinstance(servable, ConversingServable):
        async for piece in servable.converse(request, more, headers):
            yield piece
    elif isinstance(servable, StreamingServable):
        async for piece in servable.infer_stream(request, headers):
            yield piece
    else:
        yield (await servable.infer(request, headers))[0]


class Contexts:
    """Contexts that end with the block, or move on to another one; an `ExitStack` would take three times as long."""

    __slots__ = ("_entered",)

    def __init__(self) -> None:
        self._entered: list[AbstractContextManager[Any]] = []

    def enter(self, context: AbstractContextManager[T]) -> T:
        """Enter one more; it neither raises when it is left, nor ends what is raised."""
        entered = context.__enter__()
        self._entered.append(context)
        return entered

    def moved(self) -> "Contexts":
        """These contexts, for another block; this one ends without them."""
        other = Contexts()
        other._entered, self._entered = self._entered, []
        return other

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._entered:
            self._entered.pop().__exit__(kind, error, trace)


async def held(pieces: AsyncIterator[Any], request: Contexts) -> AsyncIterator[Any]:
    """The pieces of an answer; its request is under way, and its model is kept, until the last one."""
    with request:
        async for piece in pieces:
            yield piece
