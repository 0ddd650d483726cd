"""Answers of v2 in pieces: MLServer's `infer_stream`, and Triton's generate extension.

MLServer has `generate` and `generate_stream` as well, as other names of `infer` and `infer_stream`. A body whose
`inputs` are tensors is read, and answered, in its way; any other body is Triton's.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.errors import InferenceError, InvalidInput
from mooring_runtime.infer_type import InferRequest, InferResponse
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.rest_api.disconnect import CLIENT_CLOSED_REQUEST, while_connected
from mooring_runtime.rest_api.events import events
from mooring_runtime.rest_api.generate import generate_document, generate_request
from mooring_runtime.rest_api.inference import Inference
from mooring_runtime.rest_api.routes import add_routes
from mooring_runtime.rest_api.v2_wire import HEADER_LENGTH, read_document, render_response

Write = Callable[[InferResponse], tuple[bytes, dict[str, str]]]
"""Makes body and headers of an answer."""


class V2Streams:
    """The handlers; each answers a response and raises domain errors."""

    def __init__(self, dataplane: DataPlane, inference: Inference, threads: Threads) -> None:
        self._dataplane = dataplane
        self._inference = inference
        self._threads = threads

    async def infer_stream(self, request: Request, model_name: str, model_version: str | None = None) -> Response:
        """Inference, answered by an event for each piece that the model makes of it."""
        infer_request = await self._inference.request(
            await request.body(), dict(request.headers), model_name, model_version
        )
        return await self._events(request, infer_request, model_version, _without_raw(model_name))

    async def generate(self, request: Request, model_name: str, model_version: str | None = None) -> Response:
        """Inference on values by name, answered at once."""
        infer_request, write = await self._either(request, model_name, model_version)
        if write is None:
            write = _writing(infer_request)
        try:
            response = await while_connected(request, _only(self._pieces(request, infer_request, model_version)))
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        content, headers = await self._written(response, write)
        return Response(content, headers=headers)

    async def generate_stream(self, request: Request, model_name: str, model_version: str | None = None) -> Response:
        """Inference on values by name, answered by an event for each piece that the model makes of it."""
        infer_request, write = await self._either(request, model_name, model_version)
        return await self._events(request, infer_request, model_version, write or _without_raw(model_name))

    async def _events(
        self, request: Request, infer_request: InferRequest, model_version: str | None, write: Write
    ) -> Response:
        async def document(response: InferResponse) -> bytes:
            return (await self._written(response, write))[0]

        return await events(request, self._pieces(request, infer_request, model_version), document)

    def _pieces(
        self, request: Request, infer_request: InferRequest, model_version: str | None
    ) -> AsyncGenerator[InferResponse, None]:
        headers = dict(request.headers)
        return self._dataplane.infer_stream(infer_request.model_name, model_version, infer_request, headers, "v2")

    async def _written(self, response: InferResponse, write: Write) -> tuple[bytes, dict[str, str]]:
        size = sum(output.as_numpy().nbytes for output in response.outputs)
        return await self._threads.code(size, write, response)

    async def _either(
        self, request: Request, model_name: str, model_version: str | None
    ) -> tuple[InferRequest, Write | None]:
        """The request, and how Triton's answer to it is written; None for MLServer's."""
        body = await request.body()
        document, _ = await self._threads.code(len(body), read_document, body, request.headers.get(HEADER_LENGTH))
        if _holds_tensors(document):
            return await self._inference.request(body, dict(request.headers), model_name, model_version), None
        _, metadata = await self._dataplane.model_metadata(model_name, model_version)
        infer_request = generate_request(document, model_name, metadata.inputs)
        return infer_request, _by_name(infer_request.id)


def _holds_tensors(document: dict[str, Any]) -> bool:
    inputs = document.get("inputs")
    return isinstance(inputs, list) and all(isinstance(item, dict) for item in inputs)


def _writing(request: InferRequest) -> Write:
    """As `request` wants it, raw tensors too."""
    return lambda response: render_response(response, request)


def _without_raw(model_name: str) -> Write:
    """As `infer` answers in JSON: an event has no room for raw tensors."""
    return _writing(InferRequest(model_name, []))


def _by_name(request_id: str | None) -> Write:
    def write(response: InferResponse) -> tuple[bytes, dict[str, str]]:
        document = generate_document(response, request_id)
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY), {"content-type": "application/json"}

    return write


async def _only(pieces: AsyncGenerator[InferResponse, None]) -> InferResponse:
    """The one piece of an answer.

    Raises:
        InvalidInput: the model makes several.
        InferenceError: it makes none.
    """
    async with aclosing(pieces):
        response = await anext(pieces, None)
        if response is None:
            raise InferenceError("the model gave no answer")
        async for _ in pieces:
            raise InvalidInput(f"Model with name {response.model_name} answers piece by piece: ask generate_stream.")
        return response


def v2_streams_router(dataplane: DataPlane, inference: Inference, threads: Threads) -> APIRouter:
    """The routes, as a table."""
    v2 = V2Streams(dataplane, inference, threads)
    endpoints = (("infer_stream", v2.infer_stream), ("generate", v2.generate), ("generate_stream", v2.generate_stream))
    model, version = "/v2/models/{model_name}", "/v2/models/{model_name}/versions/{model_version}"
    router = APIRouter(tags=["v2 streams"])
    add_routes(router, [("POST", f"{of}/{verb}", endpoint) for of in (model, version) for verb, endpoint in endpoints])
    return router
