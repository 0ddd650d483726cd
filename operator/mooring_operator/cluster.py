"""The Kubernetes API, as `ports.Cluster`: the one module that uses the kubernetes client.

The client brings login (kubeconfig, service account, token refresh) and the connection pool; requests are plain JSON,
so that nothing is parsed into the client's generated models. Blocking calls run in threads.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes import client, config

from mooring_operator import resources
from mooring_operator.core.observed import Manifest, SecretKeys
from mooring_operator.core.plan import Adoption, Event, Ref
from mooring_operator.metrics import ApiMetrics
from mooring_operator.ports import ClusterError, NamespaceGoing
from mooring_operator.resources import BY_KIND, Resource
from mooring_operator.secret_settings import S3_SETTING_KEYS

FIELD_MANAGER = "mooring"
_APPLY = {"fieldManager": FIELD_MANAGER, "force": "true"}
_MERGE_PATCH = "application/merge-patch+json"
_APPLY_PATCH = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"
_TIMEOUT = urllib3.Timeout(connect=5.0, read=30.0)


def login() -> client.Configuration:
    """The client's configuration: in a pod its service account, else the kubeconfig's current context.

    Raises:
        ClusterError: neither is there.
    """
    settings = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=settings)
    except config.ConfigException:
        try:
            config.load_kube_config(client_configuration=settings)
        except config.ConfigException as exc:
            raise ClusterError(f"no Kubernetes cluster: no service account and no kubeconfig ({exc})") from exc
    return settings


class KubernetesCluster:
    """Talks to an API server. Close it with `close()`."""

    def __init__(self, configuration: client.Configuration, metrics: ApiMetrics, *, threads: int = 8) -> None:
        configuration.connection_pool_maxsize = threads
        self._configuration = configuration
        self._api = client.ApiClient(configuration)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="kubernetes")
        self._metrics = metrics
        self._events = 0

    def close(self) -> None:
        """Let running requests finish and free the connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._api.close()

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply, forced: fields that we render are ours."""
        resource, meta = BY_KIND[manifest["kind"]], manifest["metadata"]
        path = resource.path(meta.get("namespace", ""), meta["name"])
        return await self._request("PATCH", resource, path, manifest, _APPLY, _APPLY_PATCH)

    async def delete(self, ref: Ref) -> None:
        """Delete in the background; not found, or another object of that name, is success."""
        resource = BY_KIND[ref.kind]
        body: dict[str, Any] = {"propagationPolicy": "Background"}
        if ref.uid:
            body["preconditions"] = {"uid": ref.uid}
        await self._unless_gone("DELETE", resource, resource.path(ref.namespace, ref.name), body, gone=(404, 409))

    async def adopt(self, adoption: Adoption) -> Manifest:
        """Apply labels and owner reference; the uid keeps a deleted model from coming back."""
        ref = adoption.ref
        meta: dict[str, Any] = {"name": ref.name, "namespace": ref.namespace, "uid": ref.uid}
        meta |= {"labels": dict(adoption.labels), "ownerReferences": [dict(adoption.owner)]}
        return await self.apply({"apiVersion": ref.api_version, "kind": ref.kind, "metadata": meta})

    async def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """Merge annotations into a pod's."""
        body = {"metadata": {"annotations": dict(annotations)}}
        path = resources.PODS.path(namespace, name)
        await self._unless_gone("PATCH", resources.PODS, path, body, content_type=_MERGE_PATCH)

    async def write_status(self, ref: Ref, status: Mapping[str, Any]) -> Manifest | None:
        """Replace the whole status, provided it is still the object with this uid."""
        resource = BY_KIND[ref.kind]
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": ref.uid},
            {"op": "add", "path": "/status", "value": dict(status)},
        ]
        path = resource.path(ref.namespace, ref.name, "status")
        return await self._unless_gone("PATCH", resource, path, patch, gone=(404, 422), content_type=_JSON_PATCH)

    async def emit(self, event: Event) -> None:
        """Record an event; one about an object whose namespace is going is dropped."""
        now = datetime.now(UTC)
        self._events += 1
        ref = event.ref
        involved = {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name, "uid": ref.uid}
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        name = f"{ref.name[:200]}.{int(now.timestamp() * 1e6):x}{self._events:x}"
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": ref.namespace},
            "involvedObject": involved | {"namespace": ref.namespace},
            "type": event.type,
            "reason": event.reason,
            "message": event.message[:1024],
            "source": {"component": "mooring"},
            "reportingComponent": "mooring",
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        path = resources.EVENTS.path(ref.namespace)
        await self._unless_gone("POST", resources.EVENTS, path, body, gone=(403, 404))

    async def secret_keys(self, namespace: str, name: str) -> SecretKeys | None:
        """Key names, annotations and S3 settings of a secret; credentials stay behind."""
        secret = await self._get(resources.SECRETS, namespace, name)
        if secret is None:
            return None
        data: dict[str, str] = secret.get("data") or {}
        shown = {k: base64.b64decode(v).decode(errors="replace") for k, v in data.items() if k in S3_SETTING_KEYS}
        annotations = secret["metadata"].get("annotations") or {}
        return SecretKeys(name, frozenset(data), annotations, shown)

    async def service_account(self, namespace: str, name: str) -> Manifest | None:
        """A ServiceAccount."""
        return await self._get(resources.SERVICE_ACCOUNTS, namespace, name)

    async def claim_exists(self, namespace: str, name: str) -> bool:
        """Whether a PersistentVolumeClaim exists; one that is being deleted waits for its pods and counts as gone."""
        claim = await self._get(resources.CLAIMS, namespace, name)
        return claim is not None and "deletionTimestamp" not in claim["metadata"]

    async def list_all(self, resource: Resource, namespace: str = "") -> tuple[list[Manifest], int]:
        """Every object of a watched kind, and the resource version of which that is true."""
        query = {"labelSelector": resource.label_selector} if resource.label_selector else {}
        found = await self._request("GET", resource, resource.path(namespace), None, query)
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        return [kind | item for item in found.get("items") or ()], int(found["metadata"]["resourceVersion"])

    async def _get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        return await self._unless_gone("GET", resource, resource.path(namespace, name), None)

    async def _unless_gone(
        self,
        verb: str,
        resource: Resource,
        path: str,
        body: object,
        *,
        gone: tuple[int, ...] = (404,),
        content_type: str = "application/json",
    ) -> Manifest | None:
        try:
            return await self._request(verb, resource, path, body, {"fieldManager": FIELD_MANAGER}, content_type)
        except ClusterError as exc:
            if exc.status in gone:
                return None
            raise

    async def _request(
        self,
        verb: str,
        resource: Resource,
        path: str,
        body: object,
        query: Mapping[str, str],
        content_type: str = "application/json",
    ) -> Manifest:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._call, verb, resource, path, body, query, content_type)

    def _call(
        self, verb: str, resource: Resource, path: str, body: object, query: Mapping[str, str], content_type: str
    ) -> Manifest:
        """One request, in a thread. A 429 or 5xx is for the caller's back-off; the pool does not retry."""
        self._metrics.requests.labels(verb, resource.plural).inc()
        headers = {"Accept": "application/json", "Content-Type": content_type}
        self._api.update_params_for_auth(headers, [], ["BearerToken"])
        allowed = query if verb in ("PATCH", "POST") else {k: v for k, v in query.items() if k != "fieldManager"}
        url = f"{self._configuration.host}{path}" + (f"?{urlencode(allowed)}" if allowed else "")
        payload = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        try:
            answer = self._api.rest_client.pool_manager.request(
                verb, url, body=payload, headers=headers, timeout=_TIMEOUT, retries=False
            )
        except urllib3.exceptions.HTTPError as exc:
            raise ClusterError(f"{verb} {path}: the API server does not answer: {exc}") from exc
        if answer.status >= 400:
            self._metrics.errors.labels(str(answer.status)).inc()
            message, causes = _refusal(answer.data)
            error = NamespaceGoing if "NamespaceTerminating" in causes else ClusterError
            raise error(f"{verb} {path}: {message}", answer.status)
        found: Manifest = json.loads(answer.data) if answer.data else {}
        return found


def _refusal(body: bytes) -> tuple[str, frozenset[str]]:
    """The text and the reasons of a Kubernetes Status; the body itself where it is none."""
    try:
        status = json.loads(body)
        causes = (status.get("details") or {}).get("causes") or ()
        return str(status["message"]), frozenset(cause.get("reason", "") for cause in causes)
    except (ValueError, KeyError, TypeError, AttributeError):
        return body[:500].decode(errors="replace"), frozenset()
