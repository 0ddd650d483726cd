"""The predictor of an InferenceService: what runs the model.

Field docstrings are what `kubectl explain` prints. Rules stand beside the fields and become OpenAPI patterns or CEL.
"""

from pydantic import ConfigDict, Field

from mooring_api import names
from mooring_api.base import ApiModel, CelRule, cel
from mooring_api.component import REPLICAS_IN_ORDER, ComponentFields
from mooring_api.pod_spec import ContainerFields, PodSpecFields
from mooring_api.v1alpha1 import Protocol, WorkerSpec


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

_ONE_OF = ("model", *FRAMEWORKS)
_COUNT = " + ".join(f"(has(self.{field}) ? 1 : 0)" for field in _ONE_OF)
_NO_URI_IN = " && ".join(f"(!has(self.{field}) || !has(self.{field}.storageUri))" for field in _ONE_OF)
PREDICTOR_RULES = (
    CelRule(
        f"({_COUNT}) <= 1",
        f"give only one of {', '.join(_ONE_OF)}; a predictor serves one model format",
    ),
    CelRule(
        f"({_COUNT}) >= 1 || (has(self.containers) && size(self.containers) > 0)",
        "the predictor has nothing to run; give exactly one of model (a model served by a ServingRuntime), "
        f"{', '.join(FRAMEWORKS)} (short forms of model) or containers (a custom server)",
    ),
    CelRule(
        f"({_COUNT}) == 0 || !has(self.containers) || "
        f"self.containers.all(c, has(c.name) && c.name != '{names.CONTAINER_MAIN}')",
        f"both a model and a container named {names.CONTAINER_MAIN} (or unnamed) are given; remove one: beside model, "
        "containers may only add further containers, with names of their own",
        field_path=".containers",
    ),
    CelRule(
        f"!has(self.storageUris) || ({_NO_URI_IN})",
        "both storageUri and storageUris are given; put all of them into storageUris",
        field_path=".storageUris",
    ),
)


class WorkerPodSpec(WorkerSpec, PodSpecFields):
    """Pods of further nodes."""


class Predictor(ComponentFields):
    """The component that runs the model: exactly one of `model`, a framework's name, or `containers`."""

    model_config = ConfigDict(json_schema_extra=cel(REPLICAS_IN_ORDER, *PREDICTOR_RULES))

    name: str | None = Field(default=None, pattern=names.SERVICE_NAME_PATTERN, max_length=63)
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
    storage_uris: tuple[StorageUriMount, ...] = Field(default=(), max_length=64)
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
