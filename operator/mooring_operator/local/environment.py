"""A container's environment: the shell's own, then what the manifest says."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from mooring_operator.core.observed import Manifest
from mooring_operator.local.images import expand
from mooring_operator.local.volumes import Mount, Sources, VolumeUnavailable, translate


def decode_secret(body: Manifest) -> dict[str, bytes]:
    """The data of a Secret, `stringData` winning, as the API server stores it."""
    data = {key: base64.b64decode(value or "") for key, value in (body.get("data") or {}).items()}
    return data | {key: str(value).encode() for key, value in (body.get("stringData") or {}).items()}


def decode_config_map(body: Manifest) -> dict[str, bytes]:
    """The data of a ConfigMap."""
    binary = {key: base64.b64decode(value) for key, value in (body.get("binaryData") or {}).items()}
    return binary | {key: str(value).encode() for key, value in (body.get("data") or {}).items()}


def container_env(
    container: Mapping[str, Any], pod: Manifest, sources: Sources, mounts: Iterable[Mount], base: Mapping[str, str]
) -> dict[str, str]:
    """All variables of a container: `base`, then `envFrom`, then `env`, with $(NAME) and container paths filled in.

    Raises:
        VolumeUnavailable: a ConfigMap, a Secret or a key in one does not exist and is not optional.
    """
    env = dict(base) | {"HOSTNAME": pod["metadata"]["name"], "PYTHONUNBUFFERED": "1"}
    own: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        for kind in ("configMapRef", "secretRef"):
            if kind in source:
                values = _table(source[kind], kind.removesuffix("Ref"), sources)
                own |= {source.get("prefix", "") + key: value.decode(errors="replace") for key, value in values.items()}
    mounts = tuple(mounts)
    for entry in container.get("env") or ():
        value = _value_from(entry["valueFrom"], pod, sources) if "valueFrom" in entry else str(entry.get("value") or "")
        if value is not None:
            own[entry["name"]] = translate(expand(value, own), mounts)
    return env | own


def _value_from(source: Mapping[str, Any], pod: Manifest, sources: Sources) -> str | None:
    for kind in ("secretKeyRef", "configMapKeyRef"):
        if kind in source:
            ref = source[kind]
            table = _table(ref, kind.removesuffix("KeyRef"), sources)
            if ref["key"] in table:
                return table[ref["key"]].decode(errors="replace")
            if ref.get("optional"):
                return None
            raise VolumeUnavailable(
                f"key {ref['key']!r} not found in {kind.removesuffix('KeyRef').lower()} {ref['name']!r}"
            )
    path = source.get("fieldRef", {}).get("fieldPath", "")
    fields: dict[str, str] = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"].get("uid", ""),
        "status.podIP": "127.0.0.1",
        "status.hostIP": "127.0.0.1",
        "spec.nodeName": "localhost",
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
    }
    return fields.get(path, "")


def _table(ref: Mapping[str, Any], kind: str, sources: Sources) -> Mapping[str, bytes]:
    tables = {"secret": sources.secrets, "configMap": sources.config_maps}
    if (values := tables[kind].get(ref["name"])) is None:
        if ref.get("optional"):
            return {}
        raise VolumeUnavailable(f"{kind.lower()} {ref['name']!r} not found")
    return values
