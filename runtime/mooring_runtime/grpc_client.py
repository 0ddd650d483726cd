"""gRPC clients of v2 servers: KServe's `InferenceGRPCClient`, and its older, blocking `InferenceServerClient`."""

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from mooring_runtime.grpc_api.messages import message
from mooring_runtime.grpc_api.stub import GRPCInferenceServiceStub
from mooring_runtime.infer_type import InferRequest, InferResponse

Metadata = Sequence[tuple[str, str]]


def _options(retries: int, extra: Sequence[tuple[str, Any]] | None) -> list[tuple[str, Any]]:
    """No limit on messages, and a service that cannot be reached is tried again; `extra` goes before both."""
    options: dict[str, Any] = {"grpc.max_send_message_length": -1, "grpc.max_receive_message_length": -1}
    if retries > 0:
        policy = {
            "maxAttempts": min(retries + 1, 5),  # gRPC itself allows no more
            "initialBackoff": "0.1s",
            "maxBackoff": "1s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        options["grpc.enable_retries"] = 1
        options["grpc.service_config"] = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})
    return list((options | dict(extra or ())).items())


def _target(url: str, use_ssl: bool) -> str:
    return url if ":" in url else f"{url}:{443 if use_ssl else 80}"


def _credentials(
    root_certificates: str | None, private_key: str | None, certificate_chain: str | None
) -> grpc.ChannelCredentials:
    def content(path: str | None) -> bytes | None:
        from pathlib import Path

        return None if path is None else Path(path).read_bytes()

    return grpc.ssl_channel_credentials(*map(content, (root_certificates, private_key, certificate_chain)))


def _metadata(headers: Mapping[str, str] | Metadata | None) -> list[tuple[str, str]]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    return [(name.lower(), value) for name, value in pairs]


class _Calls:
    """The methods of the service on a channel, blocking or not."""

    def __init__(self, channel: Any, timeout_s: float | None) -> None:
        self._stub = GRPCInferenceServiceStub(channel)
        self._timeout_s = timeout_s

    def __call__(self, method: str, request: Any, timeout: float | None, headers: Any) -> Any:
        """Call; `timeout` in seconds goes before the client's."""
        return getattr(self._stub, method)(request, timeout=timeout or self._timeout_s, metadata=_metadata(headers))

    def ask(self, method: str, timeout: float | None, headers: Any, **fields: str) -> Any:
        """Call with a request of these fields."""
        return self(method, message(f"{method}Request")(**fields), timeout, headers)


class InferenceGRPCClient:
    """Calls one server, without blocking. Close it, or use it in an `async with`.

    Args:
        url: HOST or HOST:PORT.
        verbose: Kept for KServe's callers; gRPC's own variables (GRPC_VERBOSITY, GRPC_TRACE) make it tell what it does.
        use_ssl: Whether to use TLS.
        root_certificates: File with the authorities to trust; gRPC's own when None.
        private_key: File with a client's key.
        certificate_chain: File with a client's certificate.
        creds: Ready-made channel credentials; they go before the files.
        channel_args: Options of the channel.
        timeout: Seconds for a call.
        retries: Further tries when the server is not to be reached, at most 4.
    """

    def __init__(
        self,
        url: str,
        verbose: bool = False,
        use_ssl: bool = False,
        root_certificates: str | None = None,
        private_key: str | None = None,
        certificate_chain: str | None = None,
        creds: Any = None,
        channel_args: Sequence[tuple[str, Any]] | None = None,
        timeout: float | None = 60,
        retries: int = 3,
    ) -> None:
        options, target = _options(retries, channel_args), _target(url, use_ssl or creds is not None)
        if use_ssl or creds is not None:
            creds = creds or _credentials(root_certificates, private_key, certificate_chain)
            self._channel = grpc.aio.secure_channel(target, creds, options=options)
        else:
            self._channel = grpc.aio.insecure_channel(target, options=options)
        self._call = _Calls(self._channel, timeout)

    async def infer(
        self,
        infer_request: InferRequest,
        timeout: float | None = None,
        headers: Mapping[str, str] | Metadata | None = None,
    ) -> InferResponse:
        """Ask a model; `timeout` in seconds goes before the client's.

        Raises:
            grpc.RpcError: the server refused, or no answer.
        """
        answer = await self._call("ModelInfer", infer_request.to_grpc(), timeout, headers)
        return InferResponse.from_grpc_message(answer)

    async def is_server_live(self, timeout: float | None = None, headers: Any = None) -> bool:
        """Whether the server lives."""
        return bool((await self._call.ask("ServerLive", timeout, headers)).live)

    async def is_server_ready(self, timeout: float | None = None, headers: Any = None) -> bool:
        """Whether the server is ready."""
        return bool((await self._call.ask("ServerReady", timeout, headers)).ready)

    async def is_model_ready(self, model_name: str, timeout: float | None = None, headers: Any = None) -> bool:
        """Whether the model can answer."""
        return bool((await self._call.ask("ModelReady", timeout, headers, name=model_name)).ready)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class InferenceServerClient:
    """Calls one server, blocking; `infer` answers the protocol's own message."""

    def __init__(
        self,
        url: str,
        channel_args: Sequence[tuple[str, Any]] | None = None,
        timeout: float | None = 60,
        retries: int = 3,
    ) -> None:
        self._channel = grpc.insecure_channel(_target(url, use_ssl=False), options=_options(retries, channel_args))
        self._call = _Calls(self._channel, timeout)

    def infer(
        self,
        infer_request: InferRequest,
        timeout: float | None = None,
        headers: Mapping[str, str] | Metadata | None = None,
    ) -> Any:
        """Ask a model; a ModelInferResponse.

        Raises:
            grpc.RpcError: the server refused, or no answer.
        """
        return self._call("ModelInfer", infer_request.to_grpc(), timeout, headers)

    def is_server_ready(self, timeout: float | None = None, headers: Any = None) -> bool:
        """Whether the server is ready."""
        return bool(self._call.ask("ServerReady", timeout, headers).ready)

    def is_server_live(self, timeout: float | None = None, headers: Any = None) -> bool:
        """Whether the server lives."""
        return bool(self._call.ask("ServerLive", timeout, headers).live)

    def is_model_ready(self, model_name: str, timeout: float | None = None, headers: Any = None) -> bool:
        """Whether the model can answer."""
        return bool(self._call.ask("ModelReady", timeout, headers, name=model_name).ready)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()
