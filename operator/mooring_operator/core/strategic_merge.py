"""How a ServingRuntime's pod and the InferenceService's wishes become one (spec: kserve-control-plane section 2.4).

The second argument always wins. Lists with a key are merged by it, keeping the order of the first; other lists are
replaced.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mooring_operator.core.observed import Manifest

Merge = Callable[[Any, Any], Any]
_PROBE_HANDLERS = frozenset({"httpGet", "tcpSocket", "exec", "grpc"})


def merge_by(key: str, base: Iterable[Manifest], overlay: Iterable[Manifest]) -> list[Manifest]:
    """Both lists' entries; one of `overlay` takes the place of the one of `base` with the same `key`."""
    merged = {entry.get(key): entry for entry in base}
    merged.update((entry.get(key), entry) for entry in overlay)
    return list(merged.values())


def deep_merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> Manifest:
    """Objects within objects merged; everything else of `overlay` replaces."""
    merged = dict(base)
    for name, value in overlay.items():
        before = merged.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[name] = deep_merge(before or {}, value) if both else value
    return merged


def merge_container(base: Manifest, overlay: Manifest) -> Manifest:
    """The runtime's container adjusted by the InferenceService's; the runtime's name stays, arguments are appended."""
    return {**_merge(_CONTAINER, base, overlay), "name": base["name"]}


def merge_pod(base: Manifest, overlay: Manifest) -> Manifest:
    """The runtime's pod-spec fields (without containers) adjusted by the InferenceService's."""
    return _merge(_POD, base, overlay)


def _merge(rules: Mapping[str, Merge], base: Manifest, overlay: Manifest) -> Manifest:
    merged = dict(base)
    for name, value in overlay.items():
        merged[name] = rules[name](base[name], value) if name in rules and name in base else value
    return merged


def _keyed(key: str) -> Merge:
    return lambda base, overlay: merge_by(key, base, overlay)


def _probe(base: Manifest, overlay: Manifest) -> Manifest:
    # Two handlers in one probe are invalid: a new handler replaces the probe, new timings alone adjust it.
    return overlay if _PROBE_HANDLERS & overlay.keys() else deep_merge(base, overlay)


_CONTAINER: Mapping[str, Merge] = {
    "args": lambda base, overlay: [*base, *overlay],
    "env": _keyed("name"),
    "ports": _keyed("containerPort"),
    "volumeMounts": _keyed("mountPath"),
    "volumeDevices": _keyed("devicePath"),
    "resources": deep_merge,
    "securityContext": deep_merge,
    "lifecycle": deep_merge,
    "livenessProbe": _probe,
    "readinessProbe": _probe,
    "startupProbe": _probe,
}
_POD: Mapping[str, Merge] = {
    "nodeSelector": deep_merge,
    "affinity": deep_merge,
    "securityContext": deep_merge,
    "volumes": _keyed("name"),
    "imagePullSecrets": _keyed("name"),
    "resourceClaims": _keyed("name"),
}
