"""What predictor, transformer and explainer of an InferenceService have in common: pod fields, scaling, logging.

Field docstrings are what `kubectl explain` prints. Rules stand beside the fields and become OpenAPI patterns or CEL.
"""

from typing import Literal

from pydantic import ConfigDict, Field

from mooring_api.base import ApiModel, CelRule, PassThrough, Quantity, cel
from mooring_api.pod_spec import PodSpecFields


class ScaleMetricTarget(ApiModel):
    """The value that a metric is scaled to."""

    type: Literal["Utilization", "Value", "AverageValue"] | None = None
    """How the value counts."""
    value: Quantity | None = None
    """The value."""
    average_value: Quantity | None = None
    """The value, divided by the number of pods."""
    average_utilization: int | None = None
    """Percent of the requested resource."""


class ResourceMetric(ApiModel):
    """A pod resource to scale by."""

    name: Literal["cpu", "memory"]
    """The resource."""
    target: ScaleMetricTarget
    """The value to reach."""


class MetricSpec(ApiModel):
    """A metric to scale by."""

    type: Literal["Resource", "External", "PodMetric"]
    """Kind of the metric; Resource is what a HorizontalPodAutoscaler reads by itself."""
    resource: ResourceMetric | None = None
    """For type Resource."""
    external: PassThrough | None = None
    """For type External."""
    podmetric: PassThrough | None = None
    """For type PodMetric."""


class AutoScaling(ApiModel):
    """Autoscaling by several metrics."""

    metrics: tuple[MetricSpec, ...] = ()
    """Metrics to scale by."""
    behavior: PassThrough | None = None
    """Scaling behaviour, as in a HorizontalPodAutoscaler."""


class LoggerSpec(ApiModel):
    """Logging of requests and responses."""

    url: str | None = None
    """Where the events go."""
    mode: Literal["all", "request", "response"] | None = None
    """What is logged."""
    metadata_headers: tuple[str, ...] = ()
    """Request headers that are logged too."""
    metadata_annotations: tuple[str, ...] = ()
    """Annotations that are logged too."""
    storage: PassThrough | None = None
    """Storage of the events."""
    marshaller_url: str | None = None
    """Service that formats the events."""
    batch_size: int | None = None
    """Events of one object in the storage."""
    batch_interval: str | None = None
    """How long a batch waits."""


class Batcher(ApiModel):
    """Batching of requests in front of the server."""

    max_batch_size: int | None = None
    """Instances of a batch."""
    max_latency: int | None = None
    """Milliseconds that a batch waits."""
    timeout: int | None = None
    """Seconds that a batch may take."""


REPLICAS_IN_ORDER = CelRule(
    "!has(self.minReplicas) || !has(self.maxReplicas) || self.maxReplicas == 0 || self.minReplicas <= self.maxReplicas",
    "maxReplicas is smaller than minReplicas; raise maxReplicas or lower minReplicas",
    field_path=".maxReplicas",
)


class ComponentFields(PodSpecFields):
    """What predictor, transformer and explainer have in common."""

    model_config = ConfigDict(json_schema_extra=cel(REPLICAS_IN_ORDER))

    min_replicas: int | None = Field(default=None, ge=0)
    """Smallest number of pods; 1 by default, 0 stops the component."""
    max_replicas: int | None = Field(default=None, ge=0)
    """Largest number of pods. An autoscaler is made only when it is larger than minReplicas."""
    scale_target: int | None = None
    """Value of scaleMetric to reach; for cpu percent of the request, 80 by default."""
    scale_metric: Literal["cpu", "memory", "concurrency", "rps"] | None = None
    """Metric to scale by; cpu by default."""
    scale_metric_type: Literal["Utilization", "Value", "AverageValue"] | None = None
    """How scaleTarget counts."""
    auto_scaling: AutoScaling | None = None
    """Autoscaling by several metrics."""
    container_concurrency: int | None = Field(default=None, ge=0)
    """Requests that a container takes at once."""
    timeout: int | None = None
    """Seconds that a request may take."""
    canary_traffic_percent: int | None = Field(default=None, ge=0, le=100)
    """Accepted for compatibility; has no effect without Knative."""
    logger: LoggerSpec | None = None
    """Logging of requests and responses."""
    batcher: Batcher | None = None
    """Batching of requests."""
    labels: dict[str, str] | None = None
    """Labels added to the component's objects."""
    annotations: dict[str, str] | None = None
    """Annotations added to the component's objects."""
    deployment_strategy: PassThrough | None = None
    """Strategy of the Deployment."""
