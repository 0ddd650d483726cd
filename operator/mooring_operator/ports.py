"""The seam between the reconcile loop and the world: one Protocol, two implementations.

`cluster.KubernetesCluster` talks to an API server, `local.cluster.LocalCluster` starts pods as processes on this
machine. Both put what they see into the `store.Store`, whose changes ring the work queue.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from mooring_operator.core.observed import Manifest, SecretKeys
from mooring_operator.core.plan import Adoption, Event, Ref


class ClusterError(Exception):
    """A request failed; `status` is the HTTP status, 0 when there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class NamespaceGoing(ClusterError):
    """Nothing can be made in a namespace that is being deleted; there is nothing left to do."""


class Cluster(Protocol):
    """What reconciling needs of a cluster. Every method raises `ClusterError`, and "not found" on delete is success."""

    async def apply(self, manifest: Manifest) -> Manifest:
        """Create or update by server-side apply, with our one field manager; returns the live object."""

    async def delete(self, ref: Ref) -> None:
        """Delete in the background; a uid in `ref` is a precondition."""

    async def adopt(self, adoption: Adoption) -> Manifest:
        """Set a TrainedModel's labels and owner reference; returns the live object."""

    async def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """Merge annotations into a pod's; a pod that is gone is no error."""

    async def write_status(self, ref: Ref, status: Mapping[str, Any]) -> Manifest | None:
        """Replace the status subresource; returns the live object, or None when it is gone."""

    async def emit(self, event: Event) -> None:
        """Record a Kubernetes event."""

    async def secret_keys(self, namespace: str, name: str) -> SecretKeys | None:
        """What may be known of a secret; None when it does not exist."""

    async def service_account(self, namespace: str, name: str) -> Manifest | None:
        """A ServiceAccount; None when it does not exist."""

    async def claim_exists(self, namespace: str, name: str) -> bool:
        """Whether a PersistentVolumeClaim exists."""
