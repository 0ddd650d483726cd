"""Requests of models over REST: bytes and headers in, an answer out. Every way to a model leads through here."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.errors import InferenceError, InvalidInput
from mooring_runtime.infer_type import InferRequest, InferResponse
from mooring_runtime.lanes.threads import SMALL_BYTES, Threads
from mooring_runtime.registry.servable import Headers
from mooring_runtime.rest_api.answer import Answer, json_answer
from mooring_runtime.rest_api.cloud_events import Attributes, Event, Mode, read_event, write_event
from mooring_runtime.rest_api.raw_body import is_raw, raw_request
from mooring_runtime.rest_api.v2_wire import HEADER_LENGTH, parse_request, render_response, response_document

_NOTHING: Any = object()
_LINE = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE

_UNSENDABLE = (TypeError, AttributeError, InvalidInput)
"""What rendering raises where a model answered no JSON, or tensors that do not fit themselves."""


class Inference:
    """Answers by v1 and v2; raises domain errors."""

    def __init__(self, dataplane: DataPlane, threads: Threads, events: Attributes) -> None:
        self._dataplane = dataplane
        self._threads = threads
        self._events = events

    async def predict(self, body: bytes, headers: Headers, model_name: str) -> Answer:
        """Prediction by v1."""
        return await self._v1(body, headers, model_name, self._dataplane.predict)

    async def explain(self, body: bytes, headers: Headers, model_name: str) -> Answer:
        """Explanation by v1."""
        return await self._v1(body, headers, model_name, self._dataplane.explain)

    async def _v1(self, body: bytes, headers: Headers, model_name: str, verb: Any) -> Answer:
        if len(body) < SMALL_BYTES:
            event = read_event(body, headers)
        else:
            event = await self._threads.code(len(body), read_event, body, headers)
        result, told = await verb(model_name, event.data, headers)
        try:
            if isinstance(result, AsyncIterator):
                return await stream_answer(result, told)
            if event.mode is Mode.NONE:
                return result_answer(result, told)
            return self._event(event, result, told, model_name)
        except _UNSENDABLE as exc:
            raise _unsendable(model_name, exc) from exc

    def _event(self, event: Event, result: Any, headers: Headers, model_name: str) -> Answer:
        result = response_document(result) if isinstance(result, InferResponse) else result
        body, told = write_event(event, result, self._events, model_name, str(uuid4()), datetime.now(UTC))
        return Answer(body, headers={**headers, **told})

    async def infer(self, body: bytes, headers: Headers, model_name: str, model_version: str | None = None) -> Answer:
        """Inference by v2; bodies are JSON whatever their content type, JSON and raw tensors, or nothing but data."""
        request = await self.request(body, headers, model_name, model_version)
        response, told = await self._dataplane.infer(model_name, model_version, request, headers, "v2")
        size = sum(output.as_numpy().nbytes for output in response.outputs)
        try:
            content, own = await self._threads.code(size, render_response, response, request)
        except InvalidInput:  # it could be sent if it were asked for otherwise
            raise
        except _UNSENDABLE as exc:
            raise _unsendable(model_name, exc) from exc
        return Answer(content, headers={**told, **own})

    async def request(self, body: bytes, headers: Headers, model_name: str, model_version: str | None) -> InferRequest:
        """Read a v2 request.

        Raises:
            InvalidInput: what is wrong with it, and where.
        """
        header_length, content_type = headers.get(HEADER_LENGTH), headers.get("content-type", "")
        if is_raw(header_length, content_type):
            _, metadata = await self._dataplane.model_metadata(model_name, model_version)
            return raw_request(body, content_type, model_name, metadata.inputs)
        return await self._threads.code(len(body), parse_request, body, header_length, model_name)


def _unsendable(model: str, exc: Exception) -> InferenceError:
    """As the model's fault, which it is."""
    return InferenceError(f"Model with name {model} answered what cannot be sent: {exc}")


async def stream_answer(pieces: AsyncIterator[Any], headers: Headers) -> Answer:
    """An answer that is sent as it is made: text and bytes as they are, anything else as a line of JSON.

    The first piece is waited for, so that a model that fails at once still gets an error's status.
    """
    first = await anext(pieces, _NOTHING)

    async def body() -> AsyncIterator[str | bytes]:
        if first is not _NOTHING:
            yield _piece(first)
            async for piece in pieces:
                yield _piece(piece)

    return Answer(body(), headers=headers)


def _piece(piece: Any) -> str | bytes:
    return piece if isinstance(piece, str | bytes) else orjson.dumps(piece, option=_LINE)


def result_answer(result: Any, headers: Headers) -> Answer:
    """What a model answered: text and bytes go out as they are, anything else as JSON."""
    if isinstance(result, str | bytes):
        return Answer(result, headers=headers)
    if isinstance(result, InferResponse):
        result = response_document(result)
    return json_answer(result, headers=headers)
