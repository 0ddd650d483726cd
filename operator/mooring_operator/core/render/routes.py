"""How requests reach the pods: Services and Ingress (spec: kserve-control-plane sections 1.7, 1.9)."""

from collections.abc import Iterator

from mooring_api import names
from mooring_operator.core.observed import Manifest
from mooring_operator.core.render.blueprint import Blueprint, manifest
from mooring_operator.settings import Ingress

PORT = 80
_GRPC_SERVICE = {
    "traefik.ingress.kubernetes.io/service.serversscheme": "h2c",
    "projectcontour.io/upstream-protocol.h2c": str(PORT),
}
_GRPC_INGRESS = {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}
"""Neither kind has a field that ingress controllers read for a backend of HTTP/2 without TLS: each has an annotation of
its own, and passes over the others'. Gateways read the Service's appProtocol.
"""


def services(blueprint: Blueprint) -> tuple[Manifest, Manifest]:
    """`<isvc>-predictor`, and `<isvc>` so that http://<isvc>.<namespace> answers inside the cluster."""
    return _service(blueprint, blueprint.name), _service(blueprint, blueprint.meta.name)


def ingress(blueprint: Blueprint, settings: Ingress) -> Manifest:
    """Routes from outside to the predictor, by the service's host and by the predictor's."""
    spec: Manifest = {
        "rules": [
            _rule(host(blueprint.meta.name, blueprint.meta.namespace, settings), blueprint.name),
            _rule(host(blueprint.name, blueprint.meta.namespace, settings), blueprint.name),
        ]
    }
    if settings.class_name:
        spec["ingressClassName"] = settings.class_name
    made = manifest(blueprint, "networking.k8s.io/v1", "Ingress", blueprint.meta.name, spec=spec)
    implied = _GRPC_INGRESS if _speaks_grpc(blueprint) else {}
    if annotations := {**implied, **settings.annotations, **blueprint.annotations}:
        made["metadata"]["annotations"] = annotations
    return made


def host(name: str, namespace: str, settings: Ingress) -> str:
    """The host name of a service outside the cluster."""
    values = {"{name}": name, "{namespace}": namespace, "{domain}": settings.domain}
    text = settings.domain_template
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def internal_host(name: str, namespace: str) -> str:
    """The host name of a Service inside the cluster."""
    return f"{name}.{namespace}.svc.cluster.local"


def _service(blueprint: Blueprint, name: str) -> Manifest:
    declared = blueprint.placement.main.get("ports") or [{"name": name, "containerPort": names.HTTP_PORT}]
    spec: Manifest = {"selector": blueprint.selector, "ports": list(_ports(declared))}
    made = manifest(blueprint, "v1", "Service", name, spec=spec)
    if _speaks_grpc(blueprint):
        made["metadata"]["annotations"] = {**_GRPC_SERVICE, **blueprint.annotations}
    return made


def _speaks_grpc(blueprint: Blueprint) -> bool:
    """Whether port 80 does, which is the main container's first."""
    declared = blueprint.placement.main.get("ports") or [{}]
    return names.is_grpc_port(declared[0].get("name"))


def _ports(declared: list[Manifest]) -> Iterator[Manifest]:
    taken: set[tuple[int, str]] = set()
    for index, entry in enumerate(declared):
        number, protocol = entry["containerPort"], entry.get("protocol") or "TCP"
        port = PORT if index == 0 else number
        if (port, protocol) in taken:
            continue
        taken.add((port, protocol))
        name = entry.get("name") or ("http" if index == 0 else f"port-{number}")
        made: Manifest = {"name": name, "port": port, "targetPort": number, "protocol": protocol}
        if names.is_grpc_port(name):
            made["appProtocol"] = "kubernetes.io/h2c"
        yield made


def _rule(host_name: str, service: str) -> Manifest:
    backend = {"service": {"name": service, "port": {"number": PORT}}}
    return {"host": host_name, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
