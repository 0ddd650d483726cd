"""Reads on demand: secrets, service accounts and claims, which are too many and too private to watch.

Answers are kept for two seconds, so that a burst of runs costs one read.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mooring_api import names, storage_uri
from mooring_api.v1alpha1 import TrainedModel
from mooring_api.v1beta1 import InferenceService, Predictor
from mooring_operator.core.observed import Credentials, Manifest, Parsed
from mooring_operator.core.render.agent import mounted_claims
from mooring_operator.ports import Cluster

FRESH_S = 2.0
_MAX_ENTRIES = 10_000


@dataclass(frozen=True)
class Looked:
    """What was found."""

    credentials: Credentials = field(default_factory=Credentials)
    missing_claims: frozenset[str] = frozenset()


class Lookups:
    """Reads through a small cache."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._cache: dict[tuple[str, str, str], tuple[float, Any]] = {}

    async def look(
        self,
        service: Parsed[InferenceService] | None,
        models: tuple[Parsed[TrainedModel], ...],
        children: Mapping[tuple[str, str], Manifest],
    ) -> Looked:
        """Credentials and missing claims of a service that fetches anything; nothing is read for the others."""
        if service is None or service.value is None or not _fetches(service.value.spec.predictor, models, children):
            return Looked()
        namespace, predictor = service.meta.namespace, service.value.spec.predictor
        uris = [m.value.spec.model.storage_uri for m in models if m.value is not None] + _uris(predictor)
        claims = {uri.bucket for text in uris if (uri := _parsed(text)) is not None and uri.scheme == "pvc"}
        claims |= {claim for deployment in _deployments(children) for claim in mounted_claims(deployment)}
        missing = {claim for claim in sorted(claims) if not await self._claim(namespace, claim)}
        return Looked(await self._credentials(service, predictor), frozenset(missing))

    async def _credentials(self, service: Parsed[InferenceService], predictor: Predictor) -> Credentials:
        namespace, annotations = service.meta.namespace, service.meta.annotations
        chosen = next((annotations[a] for a in names.ANNOTATION_STORAGE_SECRET if a in annotations), None)
        account = await self._account(namespace, predictor.service_account_name or "default")
        listed = [entry["name"] for entry in (account or {}).get("secrets") or () if "name" in entry]
        found, missing = [], []
        for name in [chosen] if chosen else listed:
            secret = await self._secret(namespace, name)
            if secret is None:
                missing.append(name)
            else:
                found.append(secret)
        account_annotations = (account or {"metadata": {}})["metadata"].get("annotations") or {}
        return Credentials(tuple(found), tuple(missing), account_annotations)

    async def _claim(self, namespace: str, name: str) -> Any:
        return await self._cached("claim", namespace, name, self._cluster.claim_exists)

    async def _account(self, namespace: str, name: str) -> Any:
        return await self._cached("account", namespace, name, self._cluster.service_account)

    async def _secret(self, namespace: str, name: str) -> Any:
        return await self._cached("secret", namespace, name, self._cluster.secret_keys)

    async def _cached(self, what: str, namespace: str, name: str, read: Callable[[str, str], Awaitable[Any]]) -> Any:
        now, place = self._clock(), (what, namespace, name)
        until, value = self._cache.get(place, (float("-inf"), None))
        if now >= until:
            value = await read(namespace, name)
            if len(self._cache) >= _MAX_ENTRIES:
                self._cache.clear()
            self._cache[place] = (now + FRESH_S, value)
        return value


def _fetches(
    predictor: Predictor,
    models: tuple[Parsed[TrainedModel], ...],
    children: Mapping[tuple[str, str], Manifest],
) -> bool:
    """Whether any container of the pods downloads models, or will."""
    if models or predictor.effective_model() is not None or predictor.storage_uris:
        return True
    env = {e.get("name") for c in predictor.containers or () for e in c.get("env") or ()}
    if env & {"STORAGE_URI", names.ENV_MULTI_MODEL}:
        return True
    return any(
        container["name"] == names.CONTAINER_AGENT
        for deployment in _deployments(children)
        for container in deployment["spec"]["template"]["spec"]["containers"]
    )


def _deployments(children: Mapping[tuple[str, str], Manifest]) -> list[Manifest]:
    return [body for (kind, _), body in children.items() if kind == "Deployment"]


def _uris(predictor: Predictor) -> list[str]:
    model = predictor.effective_model()
    texts = [model.storage_uri] if model is not None and model.storage_uri else []
    texts += [mount.uri for mount in predictor.storage_uris]
    texts += [
        str(e.get("value"))
        for c in predictor.containers or ()
        for e in c.get("env") or ()
        if e.get("name") == "STORAGE_URI" and e.get("value")
    ]
    return texts


def _parsed(text: str) -> storage_uri.StorageUri | None:
    try:
        return storage_uri.parse(text)
    except storage_uri.InvalidStorageUri:
        return None
