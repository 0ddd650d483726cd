"""`serving.kserve.io/v1alpha1`: TrainedModel, ServingRuntime and ClusterServingRuntime.

Field docstrings are what `kubectl explain` prints. Rules stand beside the fields and become OpenAPI patterns or CEL.
"""

import json
from typing import Any, Literal

from pydantic import ConfigDict, Field

from mooring_api import names, storage_uri
from mooring_api.base import (
    BY_TYPE,
    ApiModel,
    CelRule,
    Condition,
    Containers,
    PassThrough,
    PassThroughList,
    Quantity,
    cel,
)

Protocol = Literal["v1", "v2", "grpc-v1", "grpc-v2"]
"""Inference protocols, in KServe's order of preference."""


URI_RULE = CelRule(
    f"self.matches({json.dumps(storage_uri.PATTERN)})",
    "Mooring cannot fetch from there; write s3://BUCKET/PATH, gs://BUCKET/PATH, pvc://CLAIM/PATH, http://HOST/FILE or "
    "https://HOST/FILE, without spaces",
)
_IS_QUANTITY = "isQuantity(string(self))"
MEMORY_RULES = (
    CelRule(_IS_QUANTITY, "memory is no quantity of bytes; write for example 256Mi or 1.5Gi"),
    CelRule(
        f"!{_IS_QUANTITY} || quantity(string(self)).compareTo(quantity(string(oldSelf))) == 0",
        "memory is immutable; delete and create the model instead",
    ),
    CelRule(
        f"!{_IS_QUANTITY} || !quantity(string(self)).isLessThan(quantity('0'))",
        "memory is negative; write what the model needs when loaded, for example 256Mi",
    ),
)
NAME_RULE = CelRule(
    f"self.metadata.name.matches('{names.MODEL_NAME_PATTERN}')",
    "the name becomes a folder and a part of the URL; use letters, digits, '-' and '_' only, no dots",
    field_path=".metadata.name",
)
_CHOSEN = "has({0}.autoSelect) && {0}.autoSelect && has({0}.priority)"
PRIORITY_RULE = CelRule(
    "(has(self.disabled) && self.disabled) || !has(self.supportedModelFormats) || "
    f"self.supportedModelFormats.all(a, !({_CHOSEN.format('a')}) || self.supportedModelFormats.all(b, "
    f"a.name != b.name || !({_CHOSEN.format('b')}) || a.priority == b.priority))",
    "one format has two priorities; give all entries of one format the same priority",
    field_path=".supportedModelFormats",
)


class ModelSpec(ApiModel):
    """What to load and where it is."""

    storage_uri: str = Field(
        pattern=storage_uri.PATTERN, min_length=1, max_length=2048, json_schema_extra=cel(URI_RULE)
    )
    """Where the model's files are: s3://BUCKET/PATH, gs://BUCKET/PATH, pvc://CLAIM/PATH, or http(s)://HOST/FILE (a
    single file, .tar, .tar.gz or .zip). A folder is fetched whole."""
    framework: str
    """The framework the model was trained with, for example pytorch, sklearn or custom. Informative."""
    memory: Quantity = Field(json_schema_extra=cel(*MEMORY_RULES))
    """Memory that the model needs when loaded, for example 256Mi. Counted against the memory limit of the
    InferenceService. Cannot be changed: delete and create the model instead."""


class TrainedModelSpec(ApiModel):
    """A model and the InferenceService that serves it."""

    inference_service: str = Field(min_length=1, max_length=253)
    """Name of the InferenceService, in the same namespace, that loads this model."""
    model: ModelSpec
    """What to load and where it is."""


class ModelCopies(ApiModel):
    """How many pods have the model."""

    total: int
    """Ready pods of the InferenceService."""
    loaded: int
    """Those of them that have the wanted version loaded."""
    failed: int
    """Those of them whose last attempt failed."""


TrainedModelState = Literal["Pending", "Loading", "Loaded", "FailedToLoad", "Rejected"]


class Address(ApiModel):
    """Where something answers inside the cluster."""

    url: str | None = None
    """The URL."""


class TrainedModelStatus(ApiModel):
    """What was last observed of a TrainedModel."""

    observed_generation: int | None = None
    """The metadata.generation that this status speaks of."""
    conditions: tuple[Condition, ...] = Field(default=(), json_schema_extra=BY_TYPE)
    """InferenceServiceReady, IsMMSPredictor, MemoryResourceAvailable, ModelLoaded and Ready, sorted by type. Ready is
    True only when every ready pod has the model loaded."""
    url: str | None = None
    """Where to send inference requests from outside."""
    address: Address | None = None
    """Where to send inference requests from inside the cluster."""
    model_state: TrainedModelState | None = None
    """Pending, Loading, Loaded, FailedToLoad, or Rejected when an admission check fails."""
    copies: ModelCopies | None = None
    """How many pods have the model."""


class TrainedModel(ApiModel):
    """A model that an InferenceService loads next to others, without a pod of its own."""

    model_config = ConfigDict(json_schema_extra=cel(NAME_RULE))

    spec: TrainedModelSpec
    """What is wanted."""
    status: TrainedModelStatus | None = None
    """What was last observed."""


class SupportedModelFormat(ApiModel):
    """A model format that a runtime serves."""

    name: str = Field(min_length=1, max_length=63)
    """Name of the format, for example pytorch."""
    version: str | None = None
    """Version of the format that is served; matched exactly when an InferenceService asks for one."""
    auto_select: bool | None = None
    """Whether the runtime may be chosen for this format when the InferenceService names no runtime."""
    priority: int | None = Field(default=None, ge=1)
    """Among runtimes that fit, the one with the higher priority is chosen; without one it comes last."""


class StorageHelper(ApiModel):
    """ModelMesh's storage helper."""

    disabled: bool | None = None
    """Whether the helper is left out."""


class BuiltInAdapter(ApiModel):
    """ModelMesh's adapter beside a model server. With serverType mlserver the runtime runs without ModelMesh."""

    server_type: str | None = None
    """Kind of server: mlserver, triton, ovms or torchserve; the server's container has this name."""
    runtime_management_port: int | None = None
    """Port at which the server loads and unloads models."""
    mem_buffer_bytes: int | None = None
    """Memory that models may not take."""
    model_loading_timeout_millis: int | None = None
    """How long a load may last."""
    env: PassThroughList | None = None
    """Environment of the adapter."""


class WorkerSpec(ApiModel):
    """Further pods of a multi-node runtime. Accepted for compatibility; Mooring does not run multi-node services."""

    pipeline_parallel_size: int | None = None
    """Number of nodes."""
    tensor_parallel_size: int | None = None
    """Number of GPUs of a node."""
    containers: Containers | None = None
    """Containers of the workers."""


class ServingRuntimeSpec(ApiModel):
    """A model server: its containers and the formats it serves."""

    model_config = ConfigDict(json_schema_extra=cel(PRIORITY_RULE))

    supported_model_formats: tuple[SupportedModelFormat, ...] = Field(default=(), max_length=32)
    """Model formats that this runtime serves."""
    multi_model: bool | None = None
    """Whether the runtime loads and unloads models while it runs; InferenceServices that use it take TrainedModels."""
    disabled: bool | None = None
    """A disabled runtime is never chosen, and naming it is an error."""
    protocol_versions: tuple[Protocol, ...] = ()
    """Inference protocols that the runtime speaks; none listed means all."""
    containers: Containers = Field(min_length=1)
    """Containers of the pod. One is named kserve-container (or mlserver, where builtInAdapter.serverType is mlserver);
    its strings may hold {{.Name}}, {{.Namespace}}, {{.Labels.KEY}} and {{.Annotations.KEY}} of the InferenceService."""
    worker_spec: WorkerSpec | None = None
    """Accepted for compatibility; runtimes that have one are not chosen."""
    labels: dict[str, str] | None = None
    """Labels added to the pods."""
    annotations: dict[str, str] | None = None
    """Annotations added to the pods."""
    volumes: PassThroughList | None = None
    """Volumes of the pod."""
    node_selector: dict[str, str] | None = None
    """Labels that the node must have."""
    affinity: PassThrough | None = None
    """Scheduling constraints of the pod."""
    tolerations: PassThroughList | None = None
    """Taints that the pod tolerates."""
    image_pull_secrets: PassThroughList | None = None
    """Secrets for pulling the images."""
    scheduler_name: str | None = None
    """Scheduler of the pod."""
    resource_claims: PassThroughList | None = None
    """Resource claims of the pod."""
    host_ipc: bool | None = Field(default=None, alias="hostIPC")
    """Whether the pod shares the host's IPC namespace."""
    grpc_endpoint: str | None = None
    """ModelMesh: where its adapter listens."""
    grpc_data_endpoint: str | None = None
    """ModelMesh: where the server takes gRPC inference requests, for example port:8001."""
    http_data_endpoint: str | None = None
    """ModelMesh: where the server takes REST inference requests."""
    replicas: int | None = Field(default=None, ge=0)
    """ModelMesh: number of pods."""
    storage_helper: StorageHelper | None = None
    """ModelMesh: its storage helper."""
    built_in_adapter: BuiltInAdapter | None = None
    """ModelMesh: its adapter."""


class ServingRuntime(ApiModel):
    """A model server for InferenceServices of its namespace."""

    spec: ServingRuntimeSpec
    """The model server."""
    status: dict[str, Any] | None = None
    """Unused."""


class ClusterServingRuntime(ApiModel):
    """A model server for InferenceServices of every namespace."""

    spec: ServingRuntimeSpec
    """The model server."""
    status: dict[str, Any] | None = None
    """Unused."""
