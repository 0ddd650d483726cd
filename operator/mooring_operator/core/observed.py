"""What is known about one InferenceService and everything that belongs to it: the input of `decide`.

Values only; `store` and `reconcile` fill them in. Objects of Kubernetes' own API stay plain dicts, as they came.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from mooring_api.agent_status import AgentStatus
from mooring_api.v1alpha1 import ServingRuntimeSpec, TrainedModel
from mooring_api.v1beta1 import InferenceService

T = TypeVar("T")
Manifest = dict[str, Any]
"""A Kubernetes object as JSON would show it."""


@dataclass(frozen=True, order=True)
class Key:
    """Identity of an InferenceService, and of the work on it."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Meta:
    """The part of an object's metadata that decisions need."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    owner_uids: frozenset[str] = frozenset()
    deleting: bool = False


@dataclass(frozen=True)
class Parsed(Generic[T]):
    """One of our custom objects, parsed once when it arrived.

    Exactly one of `value` and `error` is set; `status` is the status as last seen, unparsed.
    """

    meta: Meta
    value: T | None
    error: str | None = None
    status: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Runtime:
    """A ServingRuntime or, with `cluster_scoped`, a ClusterServingRuntime."""

    meta: Meta
    spec: ServingRuntimeSpec
    cluster_scoped: bool


@dataclass(frozen=True)
class SecretKeys:
    """What may be known of a secret: the names of its keys, the values that are no secrets, its annotations.

    `settings` holds the decoded values of the keys that configure S3 (endpoint, region, ...; never a credential).
    """

    name: str
    keys: frozenset[str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Credentials:
    """Where the pods' storage credentials come from: the service account's secrets, or the annotated one."""

    secrets: tuple[SecretKeys, ...] = ()
    missing: tuple[str, ...] = ()
    """Secrets that are named but do not exist."""
    service_account_annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AgentReport:
    """The last word of one pod's agent: its status, or why there is none."""

    status: AgentStatus | None
    error: str | None = None


@dataclass(frozen=True)
class Nudge:
    """How often, for which model list and when a pod was last nudged (see DESIGN: kubelet's ConfigMap delay)."""

    digest: str
    count: int
    at: float
    """Seconds, on the clock of `decide`'s `now`."""


@dataclass(frozen=True)
class Observed:
    """Everything that `decide` may look at for one key."""

    key: Key
    service: Parsed[InferenceService] | None = None
    """None when there is no such InferenceService (TrainedModels may name it all the same)."""
    trained_models: tuple[Parsed[TrainedModel], ...] = ()
    """Those that name this InferenceService, sorted by (creation, name); also unreadable ones that name it."""
    runtimes: tuple[Runtime, ...] = ()
    """Those of the namespace and of the cluster."""
    children: Mapping[tuple[str, str], Manifest] = field(default_factory=dict)
    """Live objects owned by the InferenceService, by (kind, name): Deployment, Service, Ingress,
    HorizontalPodAutoscaler, ConfigMap."""
    foreign: frozenset[tuple[str, str]] = frozenset()
    """(kind, name) of objects that have a child's name but are not owned by this InferenceService."""
    pods: tuple[Manifest, ...] = ()
    """Pods of the InferenceService, by its label, oldest first."""
    agents: Mapping[str, AgentReport] = field(default_factory=dict)
    """By pod uid."""
    nudges: Mapping[str, Nudge] = field(default_factory=dict)
    """By pod uid."""
    credentials: Credentials = Credentials()
    missing_claims: frozenset[str] = frozenset()
    """PersistentVolumeClaims that a storageUri names and that do not exist."""
    server_refusal: str | None = None
    """Why the API server refused a child that was just applied; set for the second look of the same run."""
