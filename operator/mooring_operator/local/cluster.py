"""`ports.Cluster` over the objects of this process."""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mooring_operator.core.observed import Manifest, SecretKeys
from mooring_operator.core.plan import Adoption, Event, Ref
from mooring_operator.local import pod_validation
from mooring_operator.local.blueprint import Site
from mooring_operator.local.environment import decode_secret
from mooring_operator.local.objects import Id, Objects, timestamp
from mooring_operator.ports import ClusterError
from mooring_operator.secret_settings import S3_SETTING_KEYS

KEPT_EVENTS = 1000
_CLAIM_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
"""Kubernetes' names; nothing that climbs out of the claims' folder."""


@dataclass(frozen=True)
class DatedEvent:
    """An event and when it was recorded (RFC 3339)."""

    time: str
    event: Event


class LocalCluster:
    """Objects instead of an API server; nothing here waits, so every method is done when it returns."""

    def __init__(self, objects: Objects, site: Site) -> None:
        self._objects = objects
        self._site = site
        self.events: deque[DatedEvent] = deque(maxlen=KEPT_EVENTS)
        self.listeners: list[Any] = []

    async def apply(self, manifest: Manifest) -> Manifest:
        """Create or replace; a pod template that cannot be run is refused as an API server refuses it."""
        if manifest["kind"] == "Deployment" and (found := pod_validation.faults(manifest["spec"]["template"])):
            raise ClusterError(f"Deployment {manifest['metadata']['name']} is invalid: {'; '.join(found)}", 422)
        return self._objects.apply(manifest)

    async def delete(self, ref: Ref) -> None:
        """Delete with everything that it owns; gone already is success."""
        self._objects.remove(_id(ref), ref.uid)

    async def adopt(self, adoption: Adoption) -> Manifest:
        """Set a TrainedModel's labels and owner."""
        key = _id(adoption.ref)
        live = self._objects.get(key)
        if live is None or live["metadata"]["uid"] != adoption.ref.uid:
            raise ClusterError(f"{key} is gone", 404)
        owners = [dict(adoption.owner)]
        return self._objects.patch_metadata(key, labels=adoption.labels, ownerReferences=owners) or live

    async def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """Merge annotations."""
        self._objects.patch_metadata(Id("Pod", namespace, name), annotations=annotations)

    async def write_status(self, ref: Ref, status: Mapping[str, Any]) -> Manifest | None:
        """Replace the status of the object with this uid."""
        live = self._objects.get(_id(ref))
        if live is None or live["metadata"]["uid"] != ref.uid:
            return None
        return self._objects.set_status(_id(ref), status)

    async def emit(self, event: Event) -> None:
        """Keep the event; the last KEPT_EVENTS are kept."""
        dated = DatedEvent(timestamp(), event)
        self.events.append(dated)
        for listener in self.listeners:
            listener(dated)

    async def secret_keys(self, namespace: str, name: str) -> SecretKeys | None:
        """Key names, annotations and S3 settings of a secret."""
        secret = self._objects.get(Id("Secret", namespace, name))
        if secret is None:
            return None
        data = decode_secret(secret)
        shown = {key: data[key].decode(errors="replace") for key in data if key in S3_SETTING_KEYS}
        return SecretKeys(name, frozenset(data), secret["metadata"].get("annotations") or {}, shown)

    async def service_account(self, namespace: str, name: str) -> Manifest | None:
        """A ServiceAccount; `default` is always there, as in a cluster."""
        empty = {"metadata": {"name": name, "namespace": namespace}} if name == "default" else None
        return self._objects.get(Id("ServiceAccount", namespace, name)) or empty

    async def claim_exists(self, namespace: str, name: str) -> bool:
        """A claim is an object of the files, or a folder that is there already."""
        applied = self._objects.get(Id("PersistentVolumeClaim", namespace, name)) is not None
        return applied or (_CLAIM_NAME.fullmatch(name) is not None and (self._site.claims_dir / name).is_dir())


def _id(ref: Ref) -> Id:
    return Id(ref.kind, ref.namespace, ref.name)
