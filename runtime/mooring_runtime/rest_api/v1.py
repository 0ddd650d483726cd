"""The v1 protocol (TensorFlow Serving's shape, as KServe serves it)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.infer_type import InferResponse
from mooring_runtime.rest_api.cloud_events import Attributes, Event, Mode, read_event, write_event
from mooring_runtime.rest_api.disconnect import while_connected
from mooring_runtime.rest_api.errors import CLIENT_CLOSED_REQUEST, json_response
from mooring_runtime.rest_api.routes import add_routes
from mooring_runtime.rest_api.v2_wire import response_document
from mooring_runtime.threads import Threads

_NOTHING: Any = object()


async def render_stream(pieces: AsyncIterator[Any], headers: dict[str, str]) -> Response:
    """An answer that is sent as it is made: text and bytes as they are, anything else as a line of JSON.

    The first piece is waited for, so that a model that fails at once still gets an error's status.
    """
    first = await anext(pieces, _NOTHING)

    async def body() -> AsyncIterator[str | bytes]:
        if first is not _NOTHING:
            yield _piece(first)
            async for piece in pieces:
                yield _piece(piece)

    return StreamingResponse(body(), headers=headers)


def _piece(piece: Any) -> str | bytes:
    return piece if isinstance(piece, str | bytes) else orjson.dumps(piece, option=_LINE)


_LINE = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE


def render_result(result: Any, headers: dict[str, str]) -> Response:
    """What a model answered: text and bytes go out as they are, anything else as JSON."""
    if isinstance(result, str | bytes):
        return Response(result, headers=headers)
    if isinstance(result, InferResponse):
        result = response_document(result)
    return json_response(result, headers=headers)


class V1Endpoints:
    """The handlers; each answers a response and raises domain errors."""

    def __init__(self, dataplane: DataPlane, threads: Threads, events: Attributes) -> None:
        self._dataplane = dataplane
        self._threads = threads
        self._events = events

    async def alive(self, request: Request) -> Response:
        """Server liveness."""
        return json_response({"status": "alive"})

    async def models(self, request: Request) -> Response:
        """Names of the models that can answer."""
        return json_response({"models": self._dataplane.model_names()})

    async def model_ready(self, request: Request, model_name: str) -> Response:
        """Model readiness."""
        await self._dataplane.check_model_ready(model_name)
        return json_response({"name": model_name, "ready": True})

    async def predict(self, request: Request, model_name: str) -> Response:
        """Prediction."""
        return await self._run(request, model_name, self._dataplane.predict)

    async def explain(self, request: Request, model_name: str) -> Response:
        """Explanation."""
        return await self._run(request, model_name, self._dataplane.explain)

    async def _run(self, request: Request, model_name: str, verb: Any) -> Response:
        body, received = await request.body(), dict(request.headers)
        event = await self._threads.code(len(body), read_event, body, received)
        try:
            result, headers = await while_connected(request, verb(model_name, event.data, received))
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        if isinstance(result, AsyncIterator):
            return await render_stream(result, headers)
        if event.mode is Mode.NONE:
            return render_result(result, headers)
        return self._event(event, result, headers, model_name)

    def _event(self, event: Event, result: Any, headers: dict[str, str], model_name: str) -> Response:
        result = response_document(result) if isinstance(result, InferResponse) else result
        body, told = write_event(event, result, self._events, model_name, str(uuid4()), datetime.now(UTC))
        return Response(body, headers={**headers, **told})


def v1_router(dataplane: DataPlane, threads: Threads, events: Attributes) -> APIRouter:
    """The routes, as a table."""
    v1 = V1Endpoints(dataplane, threads, events)
    routes = (
        ("GET", "/", v1.alive),
        ("GET", "/v1/models", v1.models),
        ("POST", "/v1/models/{model_name}:predict", v1.predict),
        ("POST", "/v1/models/{model_name}:explain", v1.explain),
        ("GET", "/v1/models/{model_name}", v1.model_ready),
    )
    router = APIRouter(tags=["v1"])
    add_routes(router, routes, also_head=(v1.alive, v1.model_ready))
    return router
