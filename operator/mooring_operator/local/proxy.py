"""The way in: a reverse proxy on localhost that stands for Ingresses and Services."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from mooring_api import names
from mooring_operator.local.deployments import is_ready
from mooring_operator.local.loopback import HOST
from mooring_operator.local.objects import Id, Objects
from mooring_operator.local.routes import Route, endpoints, find_route
from mooring_operator.local.traffic import Traffic

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OWN_NAMES = frozenset({"localhost", HOST, "::1"})
"""Hosts under which `GET /` is a question to the proxy itself."""
CHUNK_BYTES = 64 * 1024


class Proxy:
    """Routes by Host header or by path; balances over ready pods; streams bodies both ways."""

    def __init__(self, objects: Objects, session: aiohttp.ClientSession, traffic: Traffic) -> None:
        self._objects = objects
        self._traffic = traffic
        self._session = session
        self._turns: dict[Id, Iterator[int]] = defaultdict(itertools.count)

    def application(self) -> web.Application:
        """The server side; one handler for everything."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    def ports_for(self, service: Id, *, grpc: bool = False) -> list[int]:
        """Where the Service's ready pods answer, beginning with the one whose turn it is."""
        body = self._objects.get(service)
        if body is None:
            return []
        pods = [pod for pod in self._objects.list("Pod", service.namespace) if is_ready(pod)]
        found = endpoints(body, pods, grpc=grpc)
        turn = next(self._turns[service]) % len(found) if found else 0
        return found[turn:] + found[:turn]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        route = find_route(request.host, request.raw_path, self._objects.list("Ingress"), self._objects.list("Service"))
        if route is None:
            if request.path == "/" and request.method == "GET" and request.url.host in _OWN_NAMES:
                return _json(200, {"services": self._services()})
            message = f"nothing is served at host {request.host!r}, path {request.path!r}"
            hint = "send a Host header as in a service's url, or ask /NAMESPACE/NAME/..."
            return _json(404, {"error": message, "hint": hint, "services": self._services()})
        service = Id("Service", route.namespace, route.service)
        for port in self.ports_for(service):
            try:
                with self._traffic.request(port):
                    return await self._forward(request, route, port)
            except aiohttp.ClientConnectorError:
                continue  # the pod went a moment ago; nothing was sent yet
            except (aiohttp.ClientError, TimeoutError) as exc:
                return _json(502, {"error": f"the pod of {route.namespace}/{route.service} broke off: {exc!r}"})
        return self._unavailable(service)

    async def _forward(self, request: web.Request, route: Route, port: int) -> web.StreamResponse:
        headers = _forwarded(request)
        url = URL(f"http://{HOST}:{port}{route.path}", encoded=True)
        body = request.content if request.can_read_body else None
        async with self._session.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as answer:
            kept = CIMultiDict((k, v) for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP)
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=kept)
            await response.prepare(request)
            try:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
            except (aiohttp.ClientError, TimeoutError):
                # Half of the answer is out: only breaking the connection tells the client that it is not whole.
                if request.transport is not None:
                    request.transport.abort()
                return response
            await response.write_eof()
            return response

    def _unavailable(self, service: Id) -> web.Response:
        body = self._objects.get(service) or {"metadata": {}, "spec": {}}
        name = (body["metadata"].get("labels") or {}).get(names.LABEL_INFERENCE_SERVICE, service.name)
        owner = self._objects.get(Id("InferenceService", service.namespace, name)) or {}
        ready: Mapping[str, Any] = next(
            (c for c in (owner.get("status") or {}).get("conditions") or () if c["type"] == "Ready"), {}
        )
        if ready.get("status") == "True":
            message = f"{service.namespace}/{service.name} takes gRPC only; `mooring local get isvc` shows its port"
        else:
            why = ready.get("message") or ready.get("reason") or "it is starting"
            message = f"{service.namespace}/{service.name} has no ready pod: {why}"
        hint = f"mooring local get pods -n {service.namespace}; mooring local logs {name} -n {service.namespace}"
        return _json(503, {"error": message, "hint": hint})

    def _services(self) -> list[dict[str, str]]:
        listed = []
        for body in self._objects.list("InferenceService"):
            status, meta = body.get("status") or {}, body["metadata"]
            conditions = {c["type"]: c["status"] for c in status.get("conditions") or ()}
            entry = {"name": meta["name"], "namespace": meta["namespace"], "ready": conditions.get("Ready", "Unknown")}
            listed.append(entry | {"url": status.get("url", ""), "path": f"/{meta['namespace']}/{meta['name']}/"})
        return listed


def _forwarded(request: web.Request) -> CIMultiDict[str]:
    dropped = _HOP_BY_HOP | {word.strip().lower() for word in request.headers.get("Connection", "").split(",")}
    headers = CIMultiDict((k, v) for k, v in request.headers.items() if k.lower() not in dropped)
    headers.add("X-Forwarded-For", request.remote or HOST)
    headers.setdefault("X-Forwarded-Host", request.host)
    headers.setdefault("X-Forwarded-Proto", request.scheme)
    return headers


def _json(status: int, body: Mapping[str, object]) -> web.Response:
    return web.json_response(body, status=status, dumps=lambda value: json.dumps(value, indent=2) + "\n")


def proxy_session() -> aiohttp.ClientSession:
    """A client that changes nothing on the way and waits as long as the model takes."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=2.0)
    return aiohttp.ClientSession(
        timeout=timeout,
        auto_decompress=False,
        # Servers close idle connections (uvicorn after 5 s); one that is reused just then would lose its request.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2.0),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=CHUNK_BYTES,
    )
