"""One model of user code as a servable: its calls, its answers, and what it raises in our words."""

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from time import perf_counter
from typing import Any
from uuid import uuid4

from mooring_runtime.errors import InferenceError, InvalidInput, ModelNotReady, ServingError, in_our_words
from mooring_runtime.infer_type import InferOutput, InferRequest, InferResponse
from mooring_runtime.lanes.schedule import priority_of
from mooring_runtime.logging import trace_logger
from mooring_runtime.metrics import Metrics
from mooring_runtime.model import InferenceVerb, Model
from mooring_runtime.registry.servable import Headers, ModelMetadata, TensorMetadata
from mooring_runtime.sdk.eager import awaited, in_task
from mooring_runtime.sdk.model_thread import ModelThread
from mooring_runtime.telemetry.trace_lines import trace


class SdkServable:
    """One user model on its thread."""

    def __init__(
        self, model: Model, thread: ModelThread, metrics: Metrics, let_go: Callable[[], None] = lambda: None
    ) -> None:
        self._model = model
        self._thread = thread
        self._metrics = metrics
        self._let_go = let_go
        self.closed = False

    @property
    def model(self) -> Model:
        """The user's model."""
        return self._model

    async def is_ready(self) -> bool:
        """As the model says; its flag is read when nobody else is to be asked, so that a busy model still tells."""
        config = self._model.predictor_config
        asks_predictor = config is not None and config.predictor_health_check
        if type(self._model).healthy is Model.healthy and not asks_predictor:
            return self._model.ready
        return await self._thread.run(self._model.healthy)

    async def metadata(self) -> ModelMetadata:
        """As the model says."""

        async def types() -> tuple[Any, Any]:
            model = self._model
            return await awaited(model.get_input_types()), await awaited(model.get_output_types())

        inputs, outputs = await self._thread.run(types)
        return ModelMetadata("", _tensors(inputs), _tensors(outputs))

    async def infer(self, request: InferRequest, headers: Headers) -> tuple[InferResponse, Headers]:
        """Answer a v2 request; a dict in the protocol's shape will do for a response."""
        result, response_headers = await self._call(request, headers, InferenceVerb.PREDICT)
        if isinstance(result, AsyncIterator):
            raise InvalidInput(
                f"Model with name {self._model.name} answers piece by piece: "
                "ask by v1, by infer_stream, or by gRPC's ModelStreamInfer."
            )
        return _answer(result, self._model.name, request.id or str(uuid4())), response_headers

    async def infer_stream(self, request: InferRequest, headers: Headers) -> AsyncIterator[InferResponse]:
        """Answer a v2 request with each piece that a generator yields, or with the one answer."""
        result, _ = await self._call(request, headers, InferenceVerb.PREDICT)
        request_id = request.id or str(uuid4())
        if not isinstance(result, AsyncIterator):
            yield _answer(result, self._model.name, request_id)
            return
        async for piece in result:
            yield _answer(piece, self._model.name, request_id)

    async def predict(self, body: Any, headers: Headers) -> tuple[Any, Headers]:
        """Answer a v1 request."""
        return await self._call(body, headers, InferenceVerb.PREDICT)

    async def explain(self, body: Any, headers: Headers) -> tuple[Any, Headers]:
        """Explain a v1 request."""
        return await self._call(body, headers, InferenceVerb.EXPLAIN)

    async def _call(self, body: Any, headers: Headers, verb: InferenceVerb) -> tuple[Any, Headers]:
        stages: dict[str, float] = {}
        began: list[float] = []

        def begin() -> Coroutine[Any, Any, tuple[Any, Headers]]:
            began.append(perf_counter())
            return called(self._model, body, headers, verb, stages)

        priority = priority_of(body.parameters) if isinstance(body, InferRequest) else 0
        asked = perf_counter()
        try:
            result, response_headers = await self._thread.run_eagerly(begin, priority)
        finally:
            if began:
                self._metrics.waited(self._model.name, began[0] - asked)
        for stage, seconds in stages.items():
            self._metrics.stage(stage, self._model.name, seconds)
        if self._model.enable_latency_logging:
            trace(trace_logger, headers.get("x-request-id", "N.A."), stages)
        return in_pieces(self._thread, result) or result, response_headers

    async def start(self) -> None:
        """Call the model's `start`, and its `load` when it is not ready yet."""

        async def start() -> None:
            await awaited(self._model.start())
            if self._model.engine:
                await awaited(self._model.start_engine())

        await self._thread.run(start)
        if not self._model.ready:
            await self.reload()

    async def reload(self) -> None:
        """Call the model's `load` on its thread."""

        async def load() -> None:
            await awaited(self._model.load())

        await self._thread.run(load)

    async def close(self) -> None:
        """Tell the model to stop, and end its thread."""

        async def stop() -> None:
            await awaited(self._model.stop())
            if self._model.engine:
                await awaited(self._model.stop_engine())

        self.closed, self._model.ready = True, False
        await self._thread.run(stop)
        self._thread.close()
        self._let_go()


async def called(
    model: Model, body: Any, headers: Headers, verb: InferenceVerb, stages: dict[str, float]
) -> tuple[Any, Headers]:
    """One call of a model, on its thread; what it raises is told in our words.

    Raises:
        ModelNotReady: as the model says; a predictor is not asked, since the request itself will show.
        ServingError: the model failed.
    """
    try:
        asks = type(model).healthy is not Model.healthy
        if not (await awaited(model.healthy()) if asks else model.ready):
            raise ModelNotReady(model.name)
        if type(model).__call__ is Model.__call__:
            return await model.timed_call(body, headers, verb, stages)
        asked = {} if verb is InferenceVerb.PREDICT else {"verb": verb}  # as KServe calls it
        return await in_task(lambda: model(body, headers=headers, **asked))
    except ServingError:
        raise
    except Exception as exc:  # the edge of user code
        raise in_our_words(exc) from exc


def in_pieces(thread: ModelThread, result: Any) -> AsyncIterator[Any] | None:
    """The pieces of a generator that a model answered; None where it answered a whole."""
    if isinstance(result, AsyncIterator) or inspect.isgenerator(result):
        return _told(thread.stream(result))
    return None


async def _told(pieces: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The pieces; what user code raises on the way is an error of ours, as for a whole answer."""
    try:
        async for piece in pieces:
            yield piece
    except ServingError:
        raise
    except Exception as exc:  # the edge of user code
        raise in_our_words(exc) from exc


def _tensors(declared: Any) -> tuple[TensorMetadata, ...]:
    return tuple(
        TensorMetadata(
            str(item["name"]), str(item["datatype"]), tuple(item["shape"]), tuple(map(str, item.get("labels") or ()))
        )
        for item in declared or ()
    )


def _answer(result: Any, model: str, request_id: str) -> InferResponse:
    """A model's answer as a response; one that does not fit itself is the model's fault, not the client's."""
    try:
        response = result if isinstance(result, InferResponse) else _response(result, model)
        response.id = str(response.id or request_id)
        for output in response.outputs:
            output.as_numpy()
    except InferenceError:
        raise
    except Exception as exc:  # the edge of user code: what it answered may be anything
        why = str(exc).removeprefix("input ") if isinstance(exc, InvalidInput) else f"{type(exc).__name__} : {exc}"
        raise InferenceError(f"Model with name {model} answered a faulty output: {why}") from exc
    return response


def _response(result: Any, model: str) -> InferResponse:
    if not isinstance(result, dict) or not isinstance(result.get("outputs"), list):
        raise InferenceError(
            f"Model with name {model} answered a {type(result).__name__} to a v2 request: "
            "it must answer an InferResponse, or a dict with outputs."
        )
    outputs = [
        InferOutput(item["name"], item["shape"], item["datatype"], item["data"], item.get("parameters"))
        for item in result["outputs"]
    ]
    return InferResponse(result.get("id"), model, outputs)
