"""What a transformer or explainer calls: another server, by REST v1, REST v2 or gRPC.

Every refusal of the other server keeps its meaning: the client's fault stays the client's, unreachable or overloaded is
"not ready" here too, and everything else is a failed inference.
"""

from collections.abc import Mapping
from typing import Any

import grpc
import httpx

from mooring_runtime.errors import InferenceError, InvalidInput, ModelNotReady, ServingError
from mooring_runtime.grpc_client import InferenceGRPCClient
from mooring_runtime.infer_type import InferRequest
from mooring_runtime.predictor_config import PredictorConfig, PredictorProtocol
from mooring_runtime.registry.servable import Headers
from mooring_runtime.rest_client import InferenceRESTClient, RESTConfig

FORWARDED = ("authorization", "x-request-id", "traceparent", "tracestate", "baggage", "b3")
"""Headers of the client that go on to the predictor, and all that begin with `x-b3-`."""

_CLIENT_FAULTS = frozenset({400, 413, 415, 422})
_NOT_READY = frozenset({429, 502, 503, 504})
_GRPC_CLIENT_FAULTS = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE})
_GRPC_NOT_READY = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}
)


def forwarded(headers: Mapping[str, str] | None) -> Headers:
    """Those of the client's headers that the predictor may see."""
    return {
        name.lower(): value
        for name, value in (headers or {}).items()
        if name.lower() in FORWARDED or name.lower().startswith("x-b3-")
    }


class Predictor:
    """One predictor, called from one event loop; connections are made when first needed, and kept.

    Args:
        name: The model's name, here and there.
        config: Where it is; `predictor_host` must be set.
    """

    def __init__(self, name: str, config: PredictorConfig) -> None:
        self._name = name
        self._config = config
        self._protocol = PredictorProtocol(config.predictor_protocol)
        self._rest: InferenceRESTClient | None = None
        self._grpc: InferenceGRPCClient | None = None

    async def predict(self, payload: Any, headers: Mapping[str, str] | None, told: Headers | None) -> Any:
        """Its answer to a request of its protocol: a dict for v1, an InferRequest or a dict for v2.

        Args:
            payload: What to ask.
            headers: The client's; those in `FORWARDED` go on.
            told: Filled with the headers of the answer, where it is not None.

        Raises:
            InvalidInput: it says that the request is wrong, or the request is of another protocol.
            ModelNotReady: it cannot be reached, or takes no more.
            InferenceError: it failed.
        """
        if self._protocol is PredictorProtocol.GRPC_V2:
            if not isinstance(payload, InferRequest):
                raise InvalidInput(f"the predictor of {self._name} speaks gRPC: preprocess must make an InferRequest")
            return await self._ask(self._grpc_client().infer(payload, headers=forwarded(headers)))
        base = self._config.predictor_base_url
        return await self._ask(self._rest_client().infer(base, payload, self._name, forwarded(headers), told))

    async def explain(self, host: str, payload: Any, headers: Mapping[str, str] | None) -> Any:
        """The answer of the explainer at `host`; errors as `predict`."""
        base = f"{'https' if self._config.predictor_use_ssl else 'http'}://{host}"
        return await self._ask(self._rest_client().explain(base, self._name, payload, forwarded(headers)))

    async def is_ready(self) -> bool:
        """Whether it has the model and answers for it."""
        try:
            if self._protocol is PredictorProtocol.GRPC_V2:
                return await self._grpc_client().is_model_ready(self._name)
            return await self._rest_client().is_model_ready(self._config.predictor_base_url, self._name)
        except (httpx.HTTPError, grpc.RpcError):
            return False

    async def close(self) -> None:
        """Close its connections."""
        if self._rest is not None:
            await self._rest.close()
        if self._grpc is not None:
            await self._grpc.close()

    def _rest_client(self) -> InferenceRESTClient:
        if self._rest is None:
            config = self._config
            protocol = PredictorProtocol.REST_V2 if self._protocol is PredictorProtocol.REST_V2 else "v1"
            self._rest = InferenceRESTClient(
                RESTConfig(protocol=protocol, retries=config.retries, timeout=config.timeout)
            )
        return self._rest

    def _grpc_client(self) -> InferenceGRPCClient:
        if self._grpc is None:
            config = self._config
            self._grpc = InferenceGRPCClient(
                str(config.predictor_host), use_ssl=config.use_ssl, timeout=config.timeout, retries=config.retries
            )
        return self._grpc

    async def _ask(self, call: Any) -> Any:
        try:
            return await call
        except httpx.HTTPStatusError as exc:
            raise self._refusal(str(exc), exc.response.status_code, _CLIENT_FAULTS, _NOT_READY) from exc
        except httpx.HTTPError as exc:
            raise ModelNotReady(self._name, f"Its predictor does not answer: {type(exc).__name__} {exc}") from exc
        except grpc.RpcError as exc:
            raise self._refusal(exc.details(), exc.code(), _GRPC_CLIENT_FAULTS, _GRPC_NOT_READY) from exc

    def _refusal(self, text: str, code: Any, faults: frozenset[Any], not_ready: frozenset[Any]) -> ServingError:
        if code in faults:
            return InvalidInput(text)
        if code in not_ready:
            return ModelNotReady(self._name, f"Its predictor says: {text}")
        return InferenceError(f"the predictor of {self._name} failed: {text}")
