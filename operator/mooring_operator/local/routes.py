"""Which pod answers a request: Ingress rules, Service names and Service selectors, as a cluster reads them. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mooring_api import names
from mooring_operator.core.observed import Manifest
from mooring_operator.local.pod_ports import target_port

_CLUSTER_NAME = re.compile(r"(?P<name>[^.]+)\.(?P<namespace>[^.]+)(\.svc(\.cluster\.local)?)?\.?")
_PATH = re.compile(r"/(?P<namespace>[^/]+)/(?P<name>[^/?]+)(?P<rest>[/?].*)?", re.DOTALL)


@dataclass(frozen=True)
class Route:
    """A Service, and the path (with query) that it is asked for."""

    namespace: str
    service: str
    path: str


def find_route(host: str, path: str, ingresses: Iterable[Manifest], services: Iterable[Manifest]) -> Route | None:
    """The Service that a request is for; None when nothing has that host or path.

    In this order: an Ingress rule for the host, the host as a cluster-internal name (`SERVICE.NAMESPACE`, also with
    `.svc.cluster.local`), the path `/NAMESPACE/SERVICE/...` (for clients that cannot set a Host header).
    """
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    for ingress in ingresses:
        for rule in ingress["spec"].get("rules") or ():
            if rule.get("host") == name and (service := _backend(rule, path)) is not None:
                return Route(ingress["metadata"]["namespace"], service, path)
    known = {(s["metadata"]["namespace"], s["metadata"]["name"]) for s in services}
    if (match := _CLUSTER_NAME.fullmatch(name)) and (match["namespace"], match["name"]) in known:
        return Route(match["namespace"], match["name"], path)
    if (match := _PATH.fullmatch(path)) and (match["namespace"], match["name"]) in known:
        rest = match["rest"] or "/"
        return Route(match["namespace"], match["name"], rest if rest.startswith("/") else f"/{rest}")
    return None


def _backend(rule: Mapping[str, Any], path: str) -> str | None:
    """The Service of the longest path of a rule that is a prefix of `path`."""
    paths = sorted((rule.get("http") or {}).get("paths") or (), key=lambda entry: -len(entry.get("path") or "/"))
    for entry in paths:
        prefix = (entry.get("path") or "/").rstrip("/")
        if path == prefix or path.startswith((f"{prefix}/", f"{prefix}?")):
            return str(entry["backend"]["service"]["name"])
    return None


def is_grpc_port(port: Mapping[str, Any]) -> bool:
    """Whether a Service port carries gRPC (HTTP/2 without TLS)."""
    return port.get("appProtocol") == "kubernetes.io/h2c" or names.is_grpc_port(port.get("name"))


def endpoints(service: Manifest, pods: Sequence[Manifest], *, grpc: bool = False) -> list[int]:
    """The real ports at which the given ready pods answer for a Service; HTTP, or with `grpc` gRPC.

    Empty when no pod matches the selector or the Service has no port of that kind.
    """
    ports = service["spec"].get("ports") or ()
    port = next((p for p in ports if is_grpc_port(p) == grpc), None)
    if port is None:
        return []
    selector = (service["spec"].get("selector") or {}).items()
    matching = [pod for pod in pods if selector <= (pod["metadata"].get("labels") or {}).items()]
    targets = (target_port(pod, port.get("targetPort", port["port"])) for pod in matching)
    return [target for target in targets if target is not None]
