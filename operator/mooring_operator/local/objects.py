"""The objects of local mode, in memory, under an API server's rules: uid, resourceVersion, generation, owners."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mooring_operator.core.observed import Manifest

CLUSTER_SCOPED = frozenset({"ClusterServingRuntime"})


class Id(NamedTuple):
    """What an object is called; `namespace` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Change:
    """An object was added or changed (`gone` is False) or removed."""

    id: Id
    body: Manifest
    gone: bool = False


def id_of(body: Mapping[str, Any]) -> Id:
    """The identity of an object; an object of a namespaced kind without namespace is in `default`."""
    meta = body["metadata"]
    namespace = "" if body["kind"] in CLUSTER_SCOPED else meta.get("namespace") or "default"
    return Id(body["kind"], namespace, meta["name"])


def timestamp(now: datetime | None = None) -> str:
    """RFC 3339 in UTC with whole seconds, as an API server writes it."""
    return (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Objects:
    """All objects. Values that go out are shared: nobody changes them, every write makes a new one.

    Writes that change nothing are no writes: no new resourceVersion, no notice. Listeners are called in place, after
    the write, in the order of subscription.
    """

    def __init__(self) -> None:
        self._objects: dict[Id, Manifest] = {}
        self._applied: dict[Id, Manifest] = {}
        self._version = 0
        self._listeners: list[Callable[[Change], None]] = []

    def subscribe(self, listener: Callable[[Change], None]) -> None:
        """Call `listener` after every change from now on."""
        self._listeners.append(listener)

    def get(self, key: Id) -> Manifest | None:
        """The object, or None."""
        return self._objects.get(key)

    def list(self, kind: str, namespace: str | None = None) -> list[Manifest]:
        """Objects of a kind, of one namespace or of all, sorted by namespace and name."""
        found = [key for key in self._objects if key.kind == kind and namespace in (None, key.namespace)]
        return [self._objects[key] for key in sorted(found)]

    def __iter__(self) -> Iterator[Id]:
        return iter(tuple(self._objects))

    def apply(self, manifest: Manifest) -> Manifest:
        """Create or replace what the applier owns: everything but status, and labels, annotations and owners of others.

        Returns:
            The live object. Its generation counts changes outside of metadata and status.
        """
        key = id_of(manifest)
        live = self._objects.get(key)
        body = {k: v for k, v in manifest.items() if k not in ("metadata", "status")}
        meta = _merge_metadata(manifest["metadata"], live, self._applied.get(key), key)
        self._applied[key] = manifest
        if live is None:
            meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp(), "generation": 1}
            return self._write(key, body | {"metadata": meta})
        changed = body != {k: v for k, v in live.items() if k not in ("metadata", "status")}
        meta["generation"] = live["metadata"]["generation"] + changed
        status = {"status": live["status"]} if "status" in live else {}
        return self._write(key, body | {"metadata": meta} | status)

    def patch_metadata(self, key: Id, **fields: Any) -> Manifest | None:
        """Merge `labels` and `annotations`, set other metadata fields; None when the object is gone."""
        if (live := self._objects.get(key)) is None:
            return None
        meta = dict(live["metadata"])
        for name, value in fields.items():
            meta[name] = {**(meta.get(name) or {}), **value} if name in ("labels", "annotations") else value
        return self._write(key, live | {"metadata": meta})

    def set_status(self, key: Id, status: Mapping[str, Any]) -> Manifest | None:
        """Replace the status; None when the object is gone."""
        if (live := self._objects.get(key)) is None:
            return None
        return self._write(key, live | {"status": dict(status)})

    def remove(self, key: Id, uid: str = "") -> bool:
        """Remove an object and everything that it owns; a uid is a precondition. False when there was none.

        Pods stay until their processes are gone: whoever runs them removes them.
        """
        live = self._objects.get(key)
        if live is None or uid not in ("", live["metadata"]["uid"]):
            return False
        del self._objects[key]
        self._applied.pop(key, None)
        self._notify(Change(key, live, gone=True))
        for owned in self._owned_by(live["metadata"]["uid"]):
            if owned.kind != "Pod":
                self.remove(owned)
        return True

    def _owned_by(self, uid: str) -> tuple[Id, ...]:
        return tuple(
            key
            for key, body in self._objects.items()
            if any(owner["uid"] == uid for owner in body["metadata"].get("ownerReferences") or ())
        )

    def _write(self, key: Id, body: Manifest) -> Manifest:
        live = self._objects.get(key)
        if live is not None and _without_version(live) == _without_version(body):
            return live
        self._version += 1
        body = body | {"metadata": body["metadata"] | {"resourceVersion": str(self._version)}}
        self._objects[key] = body
        self._notify(Change(key, body))
        return body

    def _notify(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)


def _without_version(body: Manifest) -> Manifest:
    return body | {"metadata": {k: v for k, v in body["metadata"].items() if k != "resourceVersion"}}


def _merge_metadata(wanted: Manifest, live: Manifest | None, before: Manifest | None, key: Id) -> Manifest:
    """Metadata after an apply: maps lose what this applier no longer says, and keep what others added."""
    old = live["metadata"] if live else {}
    said = before["metadata"] if before else {}
    meta = dict(old) | {"name": key.name}
    if key.namespace:
        meta["namespace"] = key.namespace
    for field in ("labels", "annotations"):
        others = {k: v for k, v in (old.get(field) or {}).items() if k not in (said.get(field) or {})}
        merged = others | (wanted.get(field) or {})
        meta.pop(field, None)
        if merged:
            meta[field] = merged
    if wanted.get("ownerReferences"):
        meta["ownerReferences"] = wanted["ownerReferences"]
    return meta
