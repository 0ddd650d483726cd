"""Answers of models on their way to a transport."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack
from typing import Any

from mooring_runtime.classification import classified, wants_classes
from mooring_runtime.infer_type import InferRequest, InferResponse
from mooring_runtime.servable import ConversingServable, Headers, Servable, StreamingServable
from mooring_runtime.serving import Serving


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


async def held(pieces: AsyncIterator[Any], request: ExitStack) -> AsyncIterator[Any]:
    """The pieces of an answer; its request is under way, and its model is kept, until the last one."""
    with request:
        async for piece in pieces:
            yield piece
