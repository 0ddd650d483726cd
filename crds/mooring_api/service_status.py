"""Status of an InferenceService: what was last observed, in KServe's shape.

Field docstrings are what `kubectl explain` prints.
"""

from typing import Literal

from pydantic import Field

from mooring_api.base import BY_TYPE, ApiModel, Condition
from mooring_api.v1alpha1 import Address


class TrafficTarget(ApiModel):
    """Part of the traffic and who gets it."""

    latest_revision: bool | None = None
    """Whether this is the newest revision."""
    percent: int | None = None
    """Percent of the traffic."""
    revision_name: str | None = None
    """Name of the ReplicaSet."""
    tag: str | None = None
    """`prev` for the revision before the newest."""
    url: str | None = None
    """URL of the revision."""


class ComponentStatus(ApiModel):
    """What was last observed of a component."""

    url: str | None = None
    """Where the component answers."""
    address: Address | None = None
    """Where the component answers inside the cluster."""
    latest_created_revision: str | None = None
    """Name of the newest ReplicaSet."""
    latest_ready_revision: str | None = None
    """Name of the newest ReplicaSet that has ready pods."""
    traffic: tuple[TrafficTarget, ...] = ()
    """Who gets the traffic."""


class ModelCopiesStatus(ApiModel):
    """How many copies of the model there are."""

    failed_copies: int = 0
    """Pods that could not load it."""
    total_copies: int | None = None
    """Ready pods."""


ModelStateName = Literal["", "Pending", "Standby", "Loading", "Loaded", "FailedToLoad"]


class ModelStates(ApiModel):
    """State of the model that serves and of the model that is wanted."""

    active_model_state: ModelStateName
    """State of the model that serves."""
    target_model_state: ModelStateName = ""
    """State of the model that is wanted."""


class FailureInfo(ApiModel):
    """The last failure."""

    location: str | None = None
    """Where it happened: the pod's name."""
    reason: (
        Literal[
            "ModelLoadFailed",
            "RuntimeUnhealthy",
            "RuntimeDisabled",
            "NoSupportingRuntime",
            "RuntimeNotRecognized",
            "InvalidPredictorSpec",
        ]
        | None
    ) = None
    """Kind of failure."""
    message: str | None = None
    """What failed and what to do."""
    model_revision_name: str | None = None
    """Revision that failed."""
    time: str | None = None
    """When (RFC 3339)."""
    exit_code: int | None = None
    """Exit status of the container."""


class ModelStatus(ApiModel):
    """What was last observed of the predictor's model."""

    transition_status: Literal["", "UpToDate", "InProgress", "BlockedByFailedLoad", "InvalidSpec"]
    """Whether what serves is what is wanted."""
    states: ModelStates | None = None
    """State of the model that serves and of the model that is wanted."""
    last_failure_info: FailureInfo | None = None
    """The last failure; gone after recovery."""
    copies: ModelCopiesStatus | None = None
    """How many copies there are."""


class InferenceServiceStatus(ApiModel):
    """What was last observed of an InferenceService."""

    observed_generation: int | None = None
    """The metadata.generation that this status speaks of."""
    conditions: tuple[Condition, ...] = Field(default=(), json_schema_extra=BY_TYPE)
    """IngressReady, PredictorReady and Ready, sorted by type. Ready is True only when the pods answer."""
    url: str | None = None
    """Where the service answers from outside."""
    address: Address | None = None
    """Where the service answers inside the cluster."""
    components: dict[str, ComponentStatus] | None = None
    """What was last observed of each component."""
    model_status: ModelStatus | None = None
    """What was last observed of the predictor's model."""
    deployment_mode: str | None = None
    """Standard."""
    serving_runtime_name: str | None = None
    """The ServingRuntime in use."""
    cluster_serving_runtime_name: str | None = None
    """The ClusterServingRuntime in use."""
