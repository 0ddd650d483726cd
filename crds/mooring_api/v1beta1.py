"""`serving.kserve.io/v1beta1`: InferenceService.

Field docstrings are what `kubectl explain` prints. Rules stand beside the fields and become OpenAPI patterns or CEL.
"""

from typing import Literal

from pydantic import Field

from mooring_api.base import ApiModel, Condition, PassThrough, Quantity
from mooring_api.pod_spec import ContainerFields, PodSpecFields
from mooring_api.v1alpha1 import Address, Protocol, WorkerSpec


class ModelFormat(ApiModel):
    """The format of a model."""

    name: str = Field(min_length=1)
    """Name of the format, for example pytorch; a runtime that lists it is chosen."""
    version: str | None = None
    """Version of the format; matched exactly against the runtimes' versions."""


class StorageSpec(ApiModel):
    """Storage named by a key of a secret instead of a URI."""

    key: str | None = None
    """Key of the secret storage-config."""
    path: str | None = None
    """Path of the model in the storage."""
    parameters: dict[str, str] | None = None
    """Values instead of the secret's, for example type and bucket."""
    schema_path: str | None = None
    """Path of the model's schema."""


class StorageUriMount(ApiModel):
    """One of several storage URIs."""

    uri: str = Field(min_length=1)
    """Where the files are."""
    mount_path: str = Field(default="/mnt/models", pattern="^/.*", max_length=255)
    """Where they go in the container."""


class Confidential(ApiModel):
    """Decryption of an encrypted model."""

    enabled: bool | None = None
    """Whether the model is encrypted."""
    resource_id: str | None = None
    """Key of the decryption."""


class PredictorExtension(ContainerFields):
    """A model served by a ServingRuntime; container fields adjust the runtime's kserve-container."""

    storage_uri: str | None = None
    """Where the model is; fetched into /mnt/models before the server starts. Without it the service takes
    TrainedModels, if its runtime is multiModel."""
    storage: StorageSpec | None = None
    """Storage named by a key of a secret."""
    runtime_version: str | None = None
    """Tag of the runtime's image."""
    protocol_version: Protocol | None = None
    """Inference protocol; by default the first of v1, v2, grpc-v1, grpc-v2 that the runtime speaks."""
    confidential: Confidential | None = None
    """Decryption of an encrypted model."""


class ModelPredictor(PredictorExtension):
    """A model of a named format, served by a ServingRuntime."""

    model_format: ModelFormat
    """Format of the model; decides which runtimes fit."""
    runtime: str | None = None
    """Name of the ServingRuntime (looked up first) or ClusterServingRuntime; by default one is chosen."""


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


class ComponentFields(PodSpecFields):
    """What predictor, transformer and explainer have in common."""

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


class WorkerPodSpec(WorkerSpec, PodSpecFields):
    """Pods of further nodes."""


class Predictor(ComponentFields):
    """The component that runs the model: exactly one of `model`, a framework's name, or `containers`."""

    name: str | None = Field(default=None, pattern="^[a-z]([-a-z0-9]*[a-z0-9])?$")
    """Name of the predictor, used by canaries."""
    model: ModelPredictor | None = None
    """A model served by a ServingRuntime."""
    sklearn: PredictorExtension | None = None
    """Short form of model with modelFormat sklearn."""
    xgboost: PredictorExtension | None = None
    """Short form of model with modelFormat xgboost."""
    tensorflow: PredictorExtension | None = None
    """Short form of model with modelFormat tensorflow."""
    pytorch: PredictorExtension | None = None
    """Short form of model with modelFormat pytorch."""
    triton: PredictorExtension | None = None
    """Short form of model with modelFormat triton."""
    onnx: PredictorExtension | None = None
    """Short form of model with modelFormat onnx."""
    huggingface: PredictorExtension | None = None
    """Short form of model with modelFormat huggingface."""
    pmml: PredictorExtension | None = None
    """Short form of model with modelFormat pmml."""
    lightgbm: PredictorExtension | None = None
    """Short form of model with modelFormat lightgbm."""
    paddle: PredictorExtension | None = None
    """Short form of model with modelFormat paddle."""
    storage_uris: tuple[StorageUriMount, ...] = ()
    """Several storage URIs, each with its mount path."""
    storage_container_name: str | None = None
    """Accepted for compatibility: name of a ClusterStorageContainer."""
    worker_spec: WorkerPodSpec | None = None
    """Accepted for compatibility; multi-node services are not run."""

    def effective_model(self) -> ModelPredictor | None:
        """`model`, or the framework's short form written as `model`; None for a custom container."""
        if self.model is not None:
            return self.model
        for framework in FRAMEWORKS:
            short: PredictorExtension | None = getattr(self, framework)
            if short is not None:
                protocol = short.protocol_version or ("v2" if framework in _V2_BY_DEFAULT else None)
                fields = {name: getattr(short, name) for name in PredictorExtension.model_fields}
                fields |= {"protocol_version": protocol, "model_format": ModelFormat(name=framework)}
                return ModelPredictor(**fields)
        return None


FRAMEWORKS = (
    "sklearn",
    "xgboost",
    "tensorflow",
    "pytorch",
    "triton",
    "onnx",
    "huggingface",
    "pmml",
    "lightgbm",
    "paddle",
)
"""The short forms of `model`."""
_V2_BY_DEFAULT = ("triton", "onnx", "huggingface")


class Transformer(ComponentFields):
    """The component before the predictor."""


class Explainer(ComponentFields):
    """The component that explains predictions."""

    art: PassThrough | None = None
    """Explainer of the Adversarial Robustness Toolbox."""


class CanarySpec(ApiModel):
    """A second predictor that takes part of the traffic."""

    predictor: PassThrough
    """What differs from the predictor."""
    traffic_percent: int = Field(ge=0, le=100)
    """Part of the traffic."""


class InferenceServiceSpec(ApiModel):
    """The components of an inference service."""

    predictor: Predictor
    """Runs the model."""
    transformer: Transformer | None = None
    """Changes requests and responses."""
    explainer: Explainer | None = None
    """Explains predictions."""
    canary: tuple[CanarySpec, ...] = ()
    """Accepted for compatibility; canaries need weighted routes."""


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
    conditions: tuple[Condition, ...] = ()
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


class InferenceService(ApiModel):
    """A model, or a server that many TrainedModels share, with an address."""

    spec: InferenceServiceSpec
    """What is wanted."""
    status: InferenceServiceStatus | None = None
    """What was last observed."""
