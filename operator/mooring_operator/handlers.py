"""What kopf sees rings a bell, nothing more: kopf drops errors of event handlers, so no work is done here."""

from collections.abc import Callable, Mapping
from typing import Any

import kopf

from mooring_operator import leadership
from mooring_operator.core.observed import Key
from mooring_operator.resources import WATCHED, Resource
from mooring_operator.store import Store


def register(
    registry: kopf.OperatorRegistry,
    *,
    store: Store,
    ring: Callable[[Key], None],
    on_peering: Callable[[Mapping[str, Any]], None],
) -> None:
    """Watch everything that the store follows, and the peering object."""
    for resource in WATCHED:
        _watch(registry, resource, store, ring)

    @kopf.on.event("kopf.dev", "v1", "clusterkopfpeerings", registry=registry)
    async def peering(body: Mapping[str, Any], **_: Any) -> None:
        if body["metadata"]["name"] == leadership.PEERING:
            on_peering(body)


def _watch(registry: kopf.OperatorRegistry, resource: Resource, store: Store, ring: Callable[[Key], None]) -> None:
    identity = {"kind": resource.kind, "apiVersion": resource.api_version}

    @kopf.on.event(resource.group, resource.version, resource.plural, id=resource.plural, registry=registry)
    async def changed(event: Mapping[str, Any], **_: Any) -> None:
        body = identity | event["object"]
        for key in store.forget(body) if event["type"] == "DELETED" else store.put(body):
            ring(key)


class _NothingRemembered(kopf.DiffBaseStorage):
    """kopf copies every object that it sees, to tell later what changed; we never ask (40 % of the loop's time)."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        pass


def configure(settings: kopf.OperatorSettings) -> None:
    """No writes by kopf (events, finalizers, annotations), quick workers, label selectors on the server's side."""
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = _NothingRemembered()
    settings.queueing.idle_timeout = 1.0
    settings.watching.reconnect_backoff = 0.2
    settings.peering.lifetime = 20
    for resource in WATCHED:
        if resource.label_selector:
            where = (resource.group, resource.version, resource.plural)
            settings.watching.label_selectors[where] = resource.label_selector
