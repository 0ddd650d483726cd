"""A REST client for v1 and v2 servers: KServe's `InferenceRESTClient`, with retries that really retry."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from mooring_runtime.infer_type import InferRequest, InferResponse
from mooring_runtime.predictor_config import PredictorProtocol
from mooring_runtime.rest_api.v2_client_wire import parse_response, request_document, write
from mooring_runtime.rest_api.v2_wire import HEADER_LENGTH


@dataclass(frozen=True)
class RESTConfig:
    """How to call.

    Attributes:
        transport: Of httpx; one that tries `retries` times more to connect when None.
        protocol: `v1` or `v2`.
        retries: Further tries when no connection can be made; what was sent is never sent again.
        http2: Whether to speak HTTP/2 (needs httpx's extra `http2`).
        timeout: Seconds.
        cert: A client certificate, as httpx takes it.
        verify: Whether, or with which context, to check the server's certificate.
        auth: As httpx takes it.
        verbose: Kept for KServe's callers; httpx logs what it does to the logger `httpx`.
    """

    transport: httpx.AsyncBaseTransport | None = None
    protocol: str | PredictorProtocol = PredictorProtocol.REST_V1
    retries: int = 3
    http2: bool = False
    timeout: float | httpx.Timeout = 60
    cert: Any = None
    verify: bool | str | ssl.SSLContext = True
    auth: Any = None
    verbose: bool = False


class InferenceRESTClient:
    """Calls servers by their base URL; one client may call many. Close it, or use it in an `async with`."""

    def __init__(self, config: RESTConfig | None = None) -> None:
        self._config = config or RESTConfig()
        transport = self._config.transport or httpx.AsyncHTTPTransport(
            retries=self._config.retries, http2=self._config.http2, verify=self._config.verify, cert=self._config.cert
        )
        self._http = httpx.AsyncClient(transport=transport, timeout=self._config.timeout, auth=self._config.auth)

    @property
    def _is_v1(self) -> bool:
        return PredictorProtocol(self._config.protocol) is PredictorProtocol.REST_V1

    async def infer(
        self,
        base_url: str | httpx.URL,
        data: InferRequest | Mapping[str, Any],
        model_name: str | None = None,
        headers: Mapping[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
        is_graph_endpoint: bool = False,
        timeout: float | httpx.Timeout | None = None,
    ) -> InferResponse | dict[str, Any]:
        """Ask a model.

        Args:
            base_url: Scheme, host and, if any, a prefix of the path.
            data: A dict for v1; an InferRequest or a dict for v2.
            model_name: Not needed where `data` is an InferRequest, or the URL is an inference graph's.
            headers: To send.
            response_headers: Filled with the answer's.
            is_graph_endpoint: Whether `base_url` is the whole URL.
            timeout: Seconds for this call.

        Returns:
            The answer: a dict for v1 and for graphs, an InferResponse for v2.

        Raises:
            httpx.HTTPStatusError: the server refused; the text is its own.
            httpx.HTTPError: no answer.
        """
        url = str(base_url) if is_graph_endpoint else self._infer_url(base_url, data, model_name)
        answer = await self._post(url, data, headers, timeout)
        if response_headers is not None:
            response_headers.update(answer.headers)
        if self._is_v1 or is_graph_endpoint:
            document: dict[str, Any] = answer.json()
            return document
        return parse_response(answer.content, answer.headers.get(HEADER_LENGTH))

    def _infer_url(
        self, base_url: str | httpx.URL, data: InferRequest | Mapping[str, Any], model_name: str | None
    ) -> str:
        name = model_name or (data.model_name if isinstance(data, InferRequest) else None)
        if not name:
            raise ValueError("model_name is needed to build the URL of an inference request")
        path = f"/v1/models/{name}:predict" if self._is_v1 else f"/v2/models/{name}/infer"
        return _join(base_url, path)

    async def explain(
        self,
        base_url: str | httpx.URL,
        model_name: str,
        data: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None = None,
    ) -> dict[str, Any]:
        """Ask for an explanation, which v1 alone has.

        Raises:
            ValueError: the protocol is v2.
            httpx.HTTPError: as `infer`.
        """
        if not self._is_v1:
            raise ValueError("the v2 protocol has no explain")
        answer = await self._post(_join(base_url, f"/v1/models/{model_name}:explain"), data, headers, timeout)
        document: dict[str, Any] = answer.json()
        return document

    async def _post(
        self,
        url: str,
        data: InferRequest | Mapping[str, Any],
        headers: Mapping[str, str] | None,
        timeout: float | httpx.Timeout | None,
    ) -> httpx.Response:
        document, tail = request_document(data) if isinstance(data, InferRequest) else (data, [])
        body, json_length = write(document, tail)
        binary = {"content-type": "application/octet-stream", HEADER_LENGTH: str(json_length)}
        sent = {**(headers or {}), **(binary if json_length else {"content-type": "application/json"})}
        limit = httpx.USE_CLIENT_DEFAULT if timeout is None else timeout
        answer = await self._http.post(url, content=body, headers=sent, timeout=limit)
        _check(answer)
        return answer

    async def is_server_live(
        self, base_url: str | httpx.URL, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> bool:
        """Whether the server lives: v1 asks its root, v2 the health endpoint."""
        if not self._is_v1:
            return await self._is_ok(_join(base_url, "/v2/health/live"), headers, timeout)
        answer = await self._get(_join(base_url, "/"), headers, timeout)
        return answer.status_code == httpx.codes.OK and bool(answer.json().get("status") == "alive")

    async def is_server_ready(
        self, base_url: str | httpx.URL, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> bool:
        """Whether the server is ready; v2 alone has that.

        Raises:
            ValueError: the protocol is v1.
        """
        if self._is_v1:
            raise ValueError("the v1 protocol has no server readiness: ask for a model's")
        return await self._is_ok(_join(base_url, "/v2/health/ready"), headers, timeout)

    async def is_model_ready(
        self,
        base_url: str | httpx.URL,
        model_name: str,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> bool:
        """Whether the model can answer."""
        path = f"/v1/models/{model_name}" if self._is_v1 else f"/v2/models/{model_name}/ready"
        answer = await self._get(_join(base_url, path), headers, timeout)
        if self._is_v1 and answer.status_code == httpx.codes.OK:
            return str(answer.json().get("ready")).lower() == "true"
        return answer.is_success

    async def _is_ok(self, url: str, headers: Mapping[str, str] | None, timeout: float | None) -> bool:
        return (await self._get(url, headers, timeout)).is_success

    async def _get(self, url: str, headers: Mapping[str, str] | None, timeout: float | None) -> httpx.Response:
        limit = httpx.USE_CLIENT_DEFAULT if timeout is None else timeout
        return await self._http.get(url, headers=headers, timeout=limit)

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _join(base_url: str | httpx.URL, path: str) -> str:
    base = httpx.URL(base_url)
    if base.scheme not in ("http", "https") or not base.host:
        raise httpx.InvalidURL(f"base_url must be absolute, with http:// or https:// in front: {base_url}")
    return str(base).rstrip("/") + path


def _check(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    try:
        told = answer.json().get("error", answer.text)
    except (ValueError, AttributeError):
        told = answer.text
    raise httpx.HTTPStatusError(
        f"{told}, '{answer.status_code} {answer.reason_phrase}' for url '{answer.url}'",
        request=answer.request,
        response=answer,
    )
