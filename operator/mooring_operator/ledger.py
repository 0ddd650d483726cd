"""What we applied and how the live object looked right after: tells drift from the server's own defaults.

Comparing a rendered manifest with the live object field by field would call every default a difference. Instead: the
same manifest was applied before, and the live object has not changed since. Losing the ledger (a restart) costs one
no-op apply for each object.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from mooring_operator.core.observed import Key, Manifest
from mooring_operator.core.plan import Event

Identity = tuple[str, str, str]
"""(kind, namespace, name)."""
_REMEMBERED_EVENTS = 1000


@dataclass(frozen=True)
class _Applied:
    manifest: str
    live: str


class Ledger:
    """Remembers applied manifests and emitted events; may be lost at any time."""

    def __init__(self) -> None:
        self._applied: dict[Key, dict[Identity, _Applied]] = {}
        self._emitted: dict[tuple[str, str, str], None] = {}

    def is_settled(self, manifest: Manifest, live: Manifest) -> bool:
        """Whether applying `manifest` would change nothing."""
        entry = self._applied.get(_owner(manifest), {}).get(_identity(manifest))
        return entry == _Applied(_digest(manifest), _fingerprint(manifest, live))

    def record(self, manifest: Manifest, live: Manifest) -> None:
        """Remember that applying `manifest` gave `live`."""
        entry = _Applied(_digest(manifest), _fingerprint(manifest, live))
        self._applied.setdefault(_owner(manifest), {})[_identity(manifest)] = entry

    def forget(self, key: Key) -> None:
        """Drop everything of an InferenceService."""
        self._applied.pop(key, None)

    @staticmethod
    def differs(before: Manifest, after: Manifest) -> bool:
        """Whether an apply changed the object."""
        versions = {body["metadata"].get("resourceVersion") for body in (before, after)}
        return len(versions) > 1

    def is_new(self, event: Event) -> bool:
        """Whether this very event was not emitted before; remembers it."""
        mark = (event.ref.uid, event.reason, event.message)
        if mark in self._emitted:
            return False
        self._emitted[mark] = None
        while len(self._emitted) > _REMEMBERED_EVENTS:
            del self._emitted[next(iter(self._emitted))]
        return True


def _owner(manifest: Manifest) -> Key:
    meta = manifest["metadata"]
    owners = [owner["name"] for owner in meta.get("ownerReferences") or () if owner.get("controller")]
    return Key(meta.get("namespace", ""), owners[0] if owners else "")


def _identity(manifest: Manifest) -> Identity:
    return manifest["kind"], manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _fingerprint(manifest: Manifest, live: Manifest) -> str:
    """What of the live object others may have changed: its content, and the labels and annotations that we set."""
    meta: dict[str, Any] = live["metadata"]
    content: object = meta.get("generation") or {part: live.get(part) for part in ("spec", "data")}
    ours = {
        part: {name: (meta.get(part) or {}).get(name) for name in manifest["metadata"].get(part) or {}}
        for part in ("labels", "annotations")
    }
    return _digest([meta.get("uid"), content, ours])
