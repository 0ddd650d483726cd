"""The ports of a pod's manifest and the real ones on this machine.

In a cluster every pod has an address and all of them can listen on 8080; here there is one address, so each pod gets
ports of its own. The Pod object shows the real ones (the operator finds the agent there); an annotation keeps which
stands for which.
"""

import json
from collections.abc import Mapping
from typing import Any

from mooring_api import names
from mooring_operator.core.observed import Manifest

ANNOTATION_PORTS = f"{names.OUR_PREFIX}/local-ports"
"""On a Pod: JSON, port of the manifest -> port on this machine."""


def container_port(container: Mapping[str, Any], port: int | str, actual: Mapping[int, int]) -> int:
    """The real port for a number or a port's name of the manifest; a port that nobody declared stays itself."""
    for declared in container.get("ports") or ():
        if declared.get("name") == port:
            return actual[declared["containerPort"]]
    number = int(port) if str(port).isdigit() else names.HTTP_PORT
    return actual.get(number, number)


def with_actual_ports(pod: Manifest, actual: Mapping[int, int]) -> Manifest:
    """The Pod as it runs: real ports in containers and probes, and the annotation."""
    meta = dict(pod["metadata"])
    table = {str(port): real for port, real in actual.items()}
    meta["annotations"] = {**(meta.get("annotations") or {}), ANNOTATION_PORTS: json.dumps(table)}
    spec = dict(pod["spec"])
    spec["containers"] = [_container(container, actual) for container in spec["containers"]]
    return pod | {"metadata": meta, "spec": spec}


def _container(container: Mapping[str, Any], actual: Mapping[int, int]) -> dict[str, Any]:
    changed = dict(container)
    if container.get("ports"):
        changed["ports"] = [port | {"containerPort": actual[port["containerPort"]]} for port in container["ports"]]
    for kind in ("readinessProbe", "livenessProbe", "startupProbe"):
        if kind in container:
            changed[kind] = _probe(container, container[kind], actual)
    return changed


def _probe(container: Mapping[str, Any], probe: Mapping[str, Any], actual: Mapping[int, int]) -> dict[str, Any]:
    return {
        key: value | {"port": container_port(container, value["port"], actual)}
        if isinstance(value, dict) and "port" in value
        else value
        for key, value in probe.items()
    }


def target_port(pod: Manifest, target: int | str) -> int | None:
    """The real port behind a Service's targetPort (number or name) in a running Pod; None when it has none."""
    annotations = pod["metadata"].get("annotations") or {}
    table: dict[str, int] = json.loads(annotations.get(ANNOTATION_PORTS, "{}"))
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == target:
                return int(port["containerPort"])
    return table.get(str(target))
