"""The control API: HTTP on a unix socket in the data folder, for the other `mooring local` commands."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from mooring_api import names
from mooring_operator.core.observed import Manifest
from mooring_operator.local.admission import Refused, admit, title
from mooring_operator.local.blueprint import Site
from mooring_operator.local.cluster import LocalCluster
from mooring_operator.local.objects import Id, Objects


class Control:
    """Answers the other commands; what they print is theirs."""

    def __init__(
        self,
        objects: Objects,
        cluster: LocalCluster,
        site: Site,
        grpc_addresses: Callable[[], dict[str, str]],
        stop: Callable[[], None],
    ) -> None:
        self._objects = objects
        self._cluster = cluster
        self._site = site
        self._grpc_addresses = grpc_addresses
        self._stop = stop

    def application(self) -> web.Application:
        """The server side."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/objects/{kind}", self._list)
        app.router.add_delete("/objects/{kind}/{namespace}/{name}", self._delete)
        app.router.add_post("/apply", self._apply)
        app.router.add_get("/events", self._events)
        app.router.add_get("/logs/{namespace}/{name}", self._logs)
        app.router.add_post("/down", self._down)
        return app

    async def _list(self, request: web.Request) -> web.Response:
        namespace, name = request.query.get("namespace"), request.query.get("name")
        items = self._objects.list(request.match_info["kind"], namespace)
        found = [body for body in items if name in (None, body["metadata"]["name"])]
        return web.json_response({"items": found, "grpc": self._grpc_addresses()})

    async def _delete(self, request: web.Request) -> web.Response:
        info = request.match_info
        key = Id(info["kind"], info["namespace"], info["name"])
        if not self._objects.remove(key):
            return web.json_response({"error": f"{title(key)} not found in namespace {key.namespace}"}, status=404)
        return web.json_response({"title": title(key)})

    async def _apply(self, request: web.Request) -> web.Response:
        lines, faults = [], []
        for body in (await request.json())["items"]:
            key = Id(body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"])
            try:
                lines.append(f"{title(key)} {admit(self._objects, body)}")
            except Refused as exc:
                faults.append(str(exc))
        return web.json_response({"lines": lines, "faults": faults})

    async def _events(self, request: web.Request) -> web.Response:
        namespace = request.query.get("namespace")
        dated = [e for e in self._cluster.events if namespace in (None, e.event.ref.namespace)]
        rows: list[dict[str, Any]] = [
            {
                "time": entry.time,
                "type": entry.event.type,
                "reason": entry.event.reason,
                "kind": entry.event.ref.kind,
                "name": entry.event.ref.name,
                "message": entry.event.message,
            }
            for entry in dated
        ]
        return web.json_response({"items": rows})

    async def _logs(self, request: web.Request) -> web.Response:
        """The log files of a service's pods: callers are on this machine and read them themselves."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        pods = [
            body
            for body in self._objects.list("Pod", namespace)
            if name in (_service_of(body), body["metadata"]["name"])
        ]
        if not pods:
            known = sorted(body["metadata"]["name"] for body in self._objects.list("InferenceService", namespace))
            hint = f"there are: {', '.join(known)}" if known else "there is none in this namespace"
            return web.json_response({"error": f"no pod of {name} in namespace {namespace}; {hint}"}, status=404)
        container = request.query.get("container") or _containers_of(pods[0])[0]
        having = [body["metadata"]["name"] for body in pods if container in _containers_of(body)]
        if not having:
            known = sorted({known for body in pods for known in _containers_of(body)})
            error = f"the pods of {name} have no container {container!r}; they have: {', '.join(known)}"
            return web.json_response({"error": error}, status=404)
        files = {pod: str(self._site.log_path(Id("Pod", namespace, pod), container)) for pod in having}
        return web.json_response({"files": files})

    async def _down(self, request: web.Request) -> web.Response:
        self._stop()
        return web.json_response({})


def _service_of(pod: Manifest) -> str | None:
    labels: dict[str, str] = pod["metadata"].get("labels") or {}
    return labels.get(names.LABEL_INFERENCE_SERVICE)


def _containers_of(pod: Manifest) -> list[str]:
    """Names of all containers of a pod, the model server's first."""
    spec = pod["spec"]
    return [container["name"] for field in ("containers", "initContainers") for container in spec.get(field) or ()]
