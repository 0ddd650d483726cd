"""One model written for MLServer as a servable."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from mooring_runtime.errors import ModelNotReady, NotSupported
from mooring_runtime.infer_type import InferRequest, InferResponse
from mooring_runtime.lanes.lane import LaneLimits
from mooring_runtime.mlserver.batching import Answer, Batcher, Infer
from mooring_runtime.mlserver.context import enter
from mooring_runtime.mlserver.errors import domain_error
from mooring_runtime.mlserver.host import Host
from mooring_runtime.mlserver.loops import brought
from mooring_runtime.mlserver.model import MLModel
from mooring_runtime.mlserver.types import InferenceRequest
from mooring_runtime.mlserver.wire import from_mlserver, to_mlserver
from mooring_runtime.registry.servable import Headers, ModelMetadata, TensorMetadata
from mooring_runtime.sdk.model_thread import ModelThread


class MLModelServable:
    """One model on its thread.

    Args:
        model: Loaded.
        thread: Its own; closed with it.
        host: Where its requests are counted and batched, and its custom handlers are opened.
        work: By which name the statistics have what it does.
    """

    def __init__(self, model: MLModel, thread: ModelThread, host: Host, work: str) -> None:
        self._model = model
        self._thread = thread
        self._counters = host.counters
        self._routes = host.routes.add(model, thread)
        self._infer = _batched(model, self._alone, host, work)
        self.version = model.version

    async def is_ready(self) -> bool:
        """Its flag; read here, so that a busy model still tells."""
        return bool(self._model.ready)

    async def metadata(self) -> ModelMetadata:
        """As the model says."""
        told = await self._thread.run(self._model.metadata)
        inputs, outputs = (
            tuple(TensorMetadata(tensor.name, tensor.datatype, tuple(tensor.shape)) for tensor in tensors or ())
            for tensors in (told.inputs, told.outputs)
        )
        return ModelMetadata(told.platform, inputs, outputs)

    async def infer(self, request: InferRequest, headers: Headers) -> Answer:
        """Answer a v2 request.

        Raises:
            ModelNotReady: the model took its flag back.
        """
        with self._counters.request(self._model.name, self.version):
            return await self._infer(request, headers)

    async def _alone(self, request: InferRequest, headers: Headers) -> Answer:
        async def call() -> Answer:
            payload = self._begin(request, headers)
            try:
                response = await self._model.predict(payload)
            except Exception as exc:  # the edge of user code
                raise domain_error(exc) from exc
            return from_mlserver(response, payload, self._model.name)

        return await self._thread.run(call)

    async def infer_stream(self, request: InferRequest, headers: Headers) -> AsyncIterator[InferResponse]:
        """Answer a v2 request with each piece of `predict_stream`; raises as `infer`."""
        async for piece in self.converse(request, _none(), headers):
            yield piece

    @property
    def converses(self) -> bool:
        """Where it has a `predict_stream` of its own: that is called once for a stream."""
        return type(self._model).predict_stream is not MLModel.predict_stream

    async def converse(
        self, request: InferRequest, more: AsyncIterator[InferRequest], headers: Headers
    ) -> AsyncIterator[InferResponse]:
        """Answer the requests of a stream, all under the id of the first, as MLServer does; raises as `infer`."""
        following = brought(more)
        with self._counters.request(self._model.name, self.version):
            async for piece in self._thread.stream(self._pieces(request, following, headers)):
                yield piece

    async def _pieces(
        self, request: InferRequest, following: AsyncIterator[InferRequest], headers: Headers
    ) -> AsyncIterator[InferResponse]:
        payload = self._begin(request, headers)

        async def payloads() -> AsyncIterator[InferenceRequest]:
            yield payload
            async for each in following:
                each.id = payload.id
                yield to_mlserver(each, headers)

        try:
            async with aclosing(self._model.predict_stream(payloads())) as responses:
                async for response in responses:
                    yield from_mlserver(response, payload, self._model.name)[0]
                    enter(self._model.settings)  # each piece is asked for in a context of its own
        except Exception as exc:  # the edge of user code
            raise domain_error(exc) from exc

    def _begin(self, request: InferRequest, headers: Headers) -> InferenceRequest:
        if not self._model.ready:
            raise ModelNotReady(self._model.name)
        enter(self._model.settings)
        return to_mlserver(request, headers)

    async def predict(self, body: Any, headers: Headers) -> tuple[Any, Headers]:
        """There is no v1 for such models."""
        raise NotSupported(f"Model with name {self._model.name} is MLServer's: it answers v2 requests only.")

    async def explain(self, body: Any, headers: Headers) -> tuple[Any, Headers]:
        """There is no v1 for such models."""
        return await self.predict(body, headers)

    async def close(self) -> None:
        """Tell the model to unload, and end its thread."""
        self._model.ready = False
        await self._routes.close()
        await self._thread.run(self._model.unload)
        self._thread.close()


def _batched(model: MLModel, infer: Infer, host: Host, work: str) -> Infer:
    """`infer`, or what asks it for several requests at once if the model's settings say so."""
    settings = model.settings
    if settings.max_batch_size <= 1 or settings.max_batch_time <= 0:
        return infer
    limits = LaneLimits(
        max_waiting=host.max_waiting,
        max_batch_rows=settings.max_batch_size,
        max_queue_delay_s=settings.max_batch_time,
    )
    observe = host.metrics.lane_observer(model.name, work)
    return Batcher(model.name, infer, host.threads.lanes, limits, observe).infer


async def _none() -> AsyncIterator[InferRequest]:
    """No requests."""
    nothing: tuple[InferRequest, ...] = ()
    for request in nothing:
        yield request
