"""RPCs as grpc.aio handlers: bytes in, bytes out, errors as status codes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from mooring_runtime.errors import InvalidInput
from mooring_runtime.grpc_api.errors import status_of
from mooring_runtime.grpc_api.messages import message
from mooring_runtime.registry.servable import Headers

Context = Any
"""grpc.aio.ServicerContext; grpcio ships no types for it."""

Unary = Callable[[Any, Context], Awaitable[Any]]
Streaming = Callable[[AsyncIterator[Any], Context], Awaitable[None]]


def headers_of(context: Context) -> Headers:
    """The call's metadata; binary values as hexadecimal text."""
    return {key: value if isinstance(value, str) else value.hex() for key, value in context.invocation_metadata() or ()}


def parse(kind: str, wire: bytes) -> Any:
    """Read a message.

    Raises:
        InvalidInput: the bytes are none of that kind. Left to grpcio, it would be an error of the server's.
    """
    try:
        return message(kind).FromString(wire)
    except DecodeError as exc:
        raise InvalidInput(f"the request is no inference.{kind}: {exc}") from None


def unary_handler(name: str, method: Unary) -> Any:
    """The handler of an RPC of that name, whose request message is named after it."""

    async def answer(wire: bytes, context: Context) -> Any:
        return await method(parse(f"{name}Request", wire), context)

    return grpc.unary_unary_rpc_method_handler(
        _answering_errors(answer), response_serializer=lambda made: made.SerializeToString()
    )


def stream_handler(kind: str, method: Streaming) -> Any:
    """The handler of an RPC that streams both ways; `method` writes its answers to the context."""

    async def answer(wires: AsyncIterator[bytes], context: Context) -> None:
        async def messages() -> AsyncIterator[Any]:
            async for wire in wires:
                yield parse(kind, wire)

        with_status = _answering_errors(method)
        await with_status(messages(), context)

    return grpc.stream_stream_rpc_method_handler(
        answer,
        response_serializer=lambda made: made.SerializeToString(),  # a method may write several kinds
    )


def _answering_errors(method: Unary) -> Unary:
    async def guarded(request: Any, context: Context) -> Any:
        try:
            return await method(request, context)
        except Exception as exc:  # the edge of the transport
            while isinstance(exc, ExceptionGroup):  # a stream's tasks
                exc = exc.exceptions[0]
            status = status_of(exc)
        # grpcio keeps what abort raises, and by it this frame, until a full collection: nothing large may be in it.
        del request
        return await context.abort(*status)

    return guarded
