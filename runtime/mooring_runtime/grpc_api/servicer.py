"""The methods of GRPCInferenceService: messages in, messages out, domain errors as status codes."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.errors import InvalidInput, ModelNotReady, ServerNotReady
from mooring_runtime.grpc_api.calls import Context, Unary, headers_of, stream_handler, unary_handler
from mooring_runtime.grpc_api.extensions import Extensions
from mooring_runtime.grpc_api.messages import REPOSITORY_SERVICE, SERVICE, message
from mooring_runtime.grpc_api.requests import alone, chained, until
from mooring_runtime.grpc_api.stream import SHAPES, WANTS_EMPTY_FINAL, answer_in_order, shape_of
from mooring_runtime.grpc_api.wire import parse_request, render_response
from mooring_runtime.infer_type import InferRequest, InferResponse
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.registry.servable import Headers, TensorMetadata


class Servicer:
    """One method per RPC; each gets its request and its context, answers its response and raises domain errors."""

    def __init__(self, dataplane: DataPlane, threads: Threads, stream_shape: str) -> None:
        self._dataplane = dataplane
        self._threads = threads
        self._stream_shape = stream_shape

    async def server_live(self, request: Any, context: Context) -> Any:
        """The loop turns."""
        return message("ServerLiveResponse")(live=True)

    async def server_ready(self, request: Any, context: Context) -> Any:
        """Readiness is an answer here, not an error."""
        return message("ServerReadyResponse")(ready=await self._dataplane.is_ready())

    async def model_ready(self, request: Any, context: Context) -> Any:
        """An unknown model is an error; one that is not ready is an answer."""
        try:
            ready = await self._dataplane.model_ready(request.name, request.version or None)
        except ModelNotReady:
            ready = False
        return message("ModelReadyResponse")(ready=ready)

    async def server_metadata(self, request: Any, context: Context) -> Any:
        """Who answers."""
        server = self._dataplane.server_metadata()
        return message("ServerMetadataResponse")(
            name=server.name, version=server.version, extensions=list(server.extensions)
        )

    async def model_metadata(self, request: Any, context: Context) -> Any:
        """What a model declares."""
        versions, metadata = await self._dataplane.model_metadata(request.name, request.version or None)
        return message("ModelMetadataResponse")(
            name=request.name,
            versions=versions,
            platform=metadata.platform,
            inputs=[_tensor(tensor) for tensor in metadata.inputs],
            outputs=[_tensor(tensor) for tensor in metadata.outputs],
        )

    async def model_infer(self, request: Any, context: Context) -> Any:
        """Inference; headers of the model become trailing metadata."""
        infer_request = await self._threads.code(_work(request), parse_request, request)
        response, headers = await self._dataplane.infer(
            request.model_name,
            request.model_version or None,
            infer_request,
            headers_of(context),
            "grpc",
            context.time_remaining(),
        )
        if headers:
            context.set_trailing_metadata(tuple((name.lower(), value) for name, value in headers.items()))
        return await self._rendered(response, infer_request)

    async def model_stream_infer(self, requests: AsyncIterator[Any], context: Context) -> None:
        """Inference on many requests, each answered by one message or, where the model streams, by several."""
        headers = headers_of(context)
        shape, draining = shape_of(headers, self._stream_shape), self._dataplane.draining
        more: AsyncIterator[Any] | None = None
        if shape is SHAPES["mlserver"]:  # a model of MLServer's may want to read the stream itself
            begun = until(draining, requests)
            if (first := await anext(begun, None)) is None:
                if draining.is_set():
                    raise ServerNotReady("It is shutting down.")
                return
            if self._dataplane.converses(first.model_name, first.model_version or None):
                requests, more = alone(first), begun
            else:
                await begun.aclose()
                requests = chained(first, requests)

        def answer(request: Any) -> AsyncGenerator[Any, None]:
            return self._pieces(request, headers, None if more is None else self._parsed(more))

        await answer_in_order(requests, answer, shape, context.write, draining)

    async def _parsed(self, requests: AsyncIterator[Any]) -> AsyncIterator[InferRequest]:
        async for request in requests:
            yield await self._threads.code(_work(request), parse_request, request)

    async def _pieces(
        self, request: Any, headers: Headers, more: AsyncIterator[InferRequest] | None
    ) -> AsyncGenerator[Any, None]:
        infer_request = await self._threads.code(_work(request), parse_request, request)
        if not isinstance(infer_request.parameters.pop(WANTS_EMPTY_FINAL, False), bool):
            raise InvalidInput(f"parameter {WANTS_EMPTY_FINAL} must be a bool")
        pieces = self._dataplane.infer_stream(
            request.model_name, request.model_version or None, infer_request, headers, "grpc", more
        )
        async with aclosing(pieces):
            async for piece in pieces:
                yield await self._rendered(piece, infer_request)

    async def _rendered(self, response: InferResponse, request: InferRequest) -> Any:
        nbytes = sum(output.as_numpy().nbytes for output in response.outputs)
        return await self._threads.code(nbytes, render_response, response, request)

    async def repository_index(self, request: Any, context: Context) -> Any:
        """All known models."""
        response = message("RepositoryIndexResponse")()
        for entry in await self._dataplane.index(request.ready):
            response.models.add(name=entry.name, version=entry.version or "", state=entry.state, reason=entry.reason)
        return response

    async def repository_model_load(self, request: Any, context: Context) -> Any:
        """Load, or load anew."""
        name = _model_name(request)
        await self._dataplane.load(name)
        return message("RepositoryModelLoadResponse")(model_name=name, isLoaded=True)

    async def repository_model_unload(self, request: Any, context: Context) -> Any:
        """Unload."""
        name = _model_name(request)
        await self._dataplane.unload(name)
        return message("RepositoryModelUnloadResponse")(model_name=name, isUnloaded=True)


def _work(request: Any) -> int:
    """Bytes that are to be converted: raw contents are taken as they are, and `ByteSize` would copy them all."""
    return 0 if request.raw_input_contents else request.ByteSize()


def _model_name(request: Any) -> str:
    """The name in either dialect: field 2 is Triton's, field 1 KServe's."""
    name: str = request.model_name or request.repository_name
    return name


def _tensor(tensor: TensorMetadata) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}


def service_handlers(
    dataplane: DataPlane, threads: Threads, stream_shape: str
) -> tuple[grpc.GenericRpcHandler, grpc.GenericRpcHandler]:
    """The services for a grpc.aio server: the protocol's, and MLServer's older one of the repository alone.

    Args:
        dataplane: Answers.
        threads: Where large messages are parsed.
        stream_shape: What a stream's answers look like unless a call says so.
    """
    servicer = Servicer(dataplane, threads, stream_shape)
    repository: dict[str, Unary] = {
        "RepositoryIndex": servicer.repository_index,
        "RepositoryModelLoad": servicer.repository_model_load,
        "RepositoryModelUnload": servicer.repository_model_unload,
    }
    methods: dict[str, Unary] = {
        "ServerLive": servicer.server_live,
        "ServerReady": servicer.server_ready,
        "ModelReady": servicer.model_ready,
        "ServerMetadata": servicer.server_metadata,
        "ModelMetadata": servicer.model_metadata,
        "ModelInfer": servicer.model_infer,
        **repository,
        **Extensions(dataplane).methods(),
    }
    handlers = _handlers(methods) | {
        "ModelStreamInfer": stream_handler("ModelInferRequest", servicer.model_stream_infer)
    }
    return (
        grpc.method_handlers_generic_handler(SERVICE, handlers),
        grpc.method_handlers_generic_handler(REPOSITORY_SERVICE, _handlers(repository)),
    )


def _handlers(methods: dict[str, Unary]) -> dict[str, Any]:
    return {name: unary_handler(name, method) for name, method in methods.items()}
