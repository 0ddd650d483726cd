"""The files of a single-model predictor: fetched by an init container, or mounted from a claim (spec:
kserve-control-plane sections 4.2, 4.3).
"""

import posixpath
from dataclasses import replace

from mooring_api import names
from mooring_operator.core.observed import Manifest
from mooring_operator.core.render.blueprint import Blueprint
from mooring_operator.core.render.containers import PodParts, sidecar
from mooring_operator.core.render.credentials import Access
from mooring_operator.core.storage_sources import ENV_STORAGE_URI, Source
from mooring_operator.core.strategic_merge import merge_by
from mooring_operator.settings import Sidecar

COMMAND = "mooring-storage-initializer"
ANNOTATION_READ_ONLY = "storage.kserve.io/readonly"


def with_storage(parts: PodParts, blueprint: Blueprint, settings: Sidecar, access: Access) -> PodParts:
    """The pod with its model files in place before the model server starts."""
    read_only = blueprint.meta.annotations.get(ANNOTATION_READ_ONLY, "true").lower() != "false"
    remote = [source for source in blueprint.sources if source.uri.scheme != "pvc"]
    claimed = [source for source in blueprint.sources if source.uri.scheme == "pvc"]
    if remote:
        parts = _fetched(parts, remote, settings, access, read_only=read_only)
    for index, source in enumerate(claimed):
        parts = _mounted(parts, source, index, read_only=read_only)
    others = tuple(_without_uri(container) for container in parts.sidecars)
    return replace(parts, main=_without_uri(parts.main), sidecars=others)


def _fetched(parts: PodParts, remote: list[Source], settings: Sidecar, access: Access, *, read_only: bool) -> PodParts:
    folder = posixpath.commonpath([source.mount_path for source in remote])
    volume = {"name": names.VOLUME_PROVISION, "emptyDir": {}}
    mount = {"name": names.VOLUME_PROVISION, "mountPath": folder}
    initializer: Manifest = {
        "name": names.CONTAINER_INITIALIZER,
        "command": [COMMAND],
        "args": [text for source in remote for text in (source.uri.text, source.mount_path)],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [mount, *access.mounts],
    }
    mounted = _with_mount(parts, {**mount, "readOnly": True} if read_only else mount, [volume, *access.volumes])
    ours = sidecar(initializer, settings, parts.pod, access)
    return replace(mounted, initializers=(*parts.initializers, ours))


def _mounted(parts: PodParts, source: Source, index: int, *, read_only: bool) -> PodParts:
    name = names.VOLUME_PVC_SOURCE + (f"-{index}" if index else "")
    claim: Manifest = {"claimName": source.uri.bucket}
    mount: Manifest = {"name": name, "mountPath": source.mount_path}
    if source.uri.path:
        mount["subPath"] = source.uri.path
    if read_only:
        claim["readOnly"], mount["readOnly"] = True, True
    return _with_mount(parts, mount, [{"name": name, "persistentVolumeClaim": claim}])


def _with_mount(parts: PodParts, mount: Manifest, volumes: list[Manifest]) -> PodParts:
    mounts = merge_by("mountPath", parts.main.get("volumeMounts") or [], [mount])
    pod = {**parts.pod, "volumes": merge_by("name", parts.pod.get("volumes") or [], volumes)}
    return replace(parts, main={**parts.main, "volumeMounts": mounts}, pod=pod)


def _without_uri(container: Manifest) -> Manifest:
    if not any(entry.get("name") == ENV_STORAGE_URI for entry in container.get("env") or ()):
        return container
    return {
        **container,
        "env": merge_by("name", container["env"], [{"name": ENV_STORAGE_URI, "value": names.MODEL_DIR}]),
    }
