"""Calls of the service over a channel, with the names that protoc's plugin would generate: KServe's `..._pb2_grpc`."""

from typing import Any

from mooring_runtime.grpc_api.messages import POOL, SERVICE, message


class GRPCInferenceServiceStub:
    """Has a callable for each method of the service: `stub.ModelInfer(request, timeout=..., metadata=...)`.

    Args:
        channel: Of grpc, or of grpc.aio, where a call is awaited.
    """

    def __init__(self, channel: Any) -> None:
        for method in POOL.FindServiceByName(SERVICE).methods:
            call = channel.stream_stream if method.client_streaming else channel.unary_unary
            self.__dict__[method.name] = call(
                f"/{SERVICE}/{method.name}",
                request_serializer=message(method.input_type.name).SerializeToString,
                response_deserializer=message(method.output_type.name).FromString,
            )

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{SERVICE} has no method {name}")
