"""The part of an API server's checks on a pod template that running it here depends on."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Check = Callable[[object], str | None]
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")


def faults(template: Mapping[str, Any]) -> list[str]:
    """What is wrong with a Deployment's pod template: `FIELD: what and what instead`; empty when nothing is."""
    spec = template.get("spec") or {}
    volumes = {volume.get("name") for volume in _mappings(spec.get("volumes"))}
    found: list[str] = []
    seen: set[object] = set()
    for field in ("initContainers", "containers"):
        for index, container in enumerate(_mappings(spec.get(field))):
            place = f"spec.template.spec.{field}[{index}]"
            found += [f"{place}.{fault}" for fault in _container(container, volumes)]
            if container.get("name") in seen:
                found.append(f"{place}.name: {container['name']!r} is given twice; names must be unique in a pod")
            seen.add(container.get("name"))
    if not spec.get("containers"):
        found.append("spec.template.spec.containers: Required value")
    return found


def _container(container: Mapping[str, Any], volumes: set[object]) -> Iterator[str]:
    for field, check in (("name", _is_name), ("image", _is_filled_text), ("args", _is_texts), ("command", _is_texts)):
        required = field in ("name", "image")
        if (required or container.get(field) is not None) and (fault := check(container.get(field))):
            yield f"{field}: {fault}"
    for index, port in enumerate(_mappings(container.get("ports"))):
        if fault := _is_port(port.get("containerPort")):
            yield f"ports[{index}].containerPort: {fault}"
    for index, variable in enumerate(_mappings(container.get("env"))):
        if fault := _is_filled_text(variable.get("name")):
            yield f"env[{index}].name: {fault}"
        if fault := _is_text(variable.get("value", "")):
            yield f"env[{index}].value: {fault}"
    for index, mount in enumerate(_mappings(container.get("volumeMounts"))):
        if mount.get("name") not in volumes:
            yield f"volumeMounts[{index}].name: there is no volume {mount.get('name')!r} in the pod"
        if fault := _is_filled_text(mount.get("mountPath")):
            yield f"volumeMounts[{index}].mountPath: {fault}"
    for kind in _PROBES:
        yield from _probe(kind, container.get(kind))


def _probe(kind: str, probe: object) -> Iterator[str]:
    if not isinstance(probe, Mapping):
        return
    handlers = [name for name in ("exec", "grpc", "httpGet", "tcpSocket") if name in probe]
    if len(handlers) != 1:
        yield f"{kind}: give exactly one of exec, grpc, httpGet and tcpSocket, not {len(handlers)}"
    for field, value in probe.items():
        if field.endswith(("Seconds", "Threshold")) and (isinstance(value, bool) or not isinstance(value, int)):
            yield f"{kind}.{field}: {value!r} is no whole number"
    for name in handlers:
        target = probe[name].get("port") if isinstance(probe[name], Mapping) else None
        if name != "exec" and not isinstance(target, str) and (fault := _is_port(target)):
            yield f"{kind}.{name}.port: {fault}"


def _mappings(value: object) -> Sequence[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _is_text(value: object) -> str | None:
    return None if value is None or isinstance(value, str) else f"{value!r} is no text; put it in quotes"


def _is_filled_text(value: object) -> str | None:
    return "Required value" if value in (None, "") else _is_text(value)


def _is_texts(value: object) -> str | None:
    if not isinstance(value, list):
        return f"{value!r} is no list"
    return next((fault for fault in map(_is_text, value) if fault), None)


def _is_name(value: object) -> str | None:
    good = isinstance(value, str) and _NAME.fullmatch(value) is not None
    return None if good else f"{value!r} is no container name; use lower case letters, digits and '-'"


def _is_port(value: object) -> str | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536
    return None if good else f"{value!r} is no port number from 1 to 65535"
