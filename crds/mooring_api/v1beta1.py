"""`serving.kserve.io/v1beta1`: InferenceService.

Field docstrings are what `kubectl explain` prints. Rules stand beside the fields and become OpenAPI patterns or CEL.
"""

from pydantic import ConfigDict, Field

from mooring_api import names
from mooring_api.base import ApiModel, CelRule, PassThrough, cel
from mooring_api.component import (
    AutoScaling,
    Batcher,
    ComponentFields,
    LoggerSpec,
    MetricSpec,
    ResourceMetric,
    ScaleMetricTarget,
)
from mooring_api.predictor import (
    FRAMEWORKS,
    Confidential,
    ModelFormat,
    ModelPredictor,
    Predictor,
    PredictorExtension,
    StorageSpec,
    StorageUriMount,
    WorkerPodSpec,
)
from mooring_api.service_status import (
    ComponentStatus,
    FailureInfo,
    InferenceServiceStatus,
    ModelCopiesStatus,
    ModelStateName,
    ModelStates,
    ModelStatus,
    TrafficTarget,
)
from mooring_api.v1alpha1 import Address, Protocol, WorkerSpec

__all__ = [  # the whole API version, wherever its parts are written
    "FRAMEWORKS",
    "Address",
    "AutoScaling",
    "Batcher",
    "CanarySpec",
    "ComponentFields",
    "ComponentStatus",
    "Confidential",
    "Explainer",
    "FailureInfo",
    "InferenceService",
    "InferenceServiceSpec",
    "InferenceServiceStatus",
    "LoggerSpec",
    "MetricSpec",
    "ModelCopiesStatus",
    "ModelFormat",
    "ModelPredictor",
    "ModelStateName",
    "ModelStates",
    "ModelStatus",
    "Predictor",
    "PredictorExtension",
    "Protocol",
    "ResourceMetric",
    "ScaleMetricTarget",
    "StorageSpec",
    "StorageUriMount",
    "TrafficTarget",
    "Transformer",
    "WorkerPodSpec",
    "WorkerSpec",
]


_NAME_MAX = 63 - len(names.app_label(names.predictor_name("")))
NAME_RULES = (
    CelRule(
        f"self.metadata.name.matches('{names.SERVICE_NAME_PATTERN}')",
        "the name becomes a host name; start with a letter and use lower-case letters, digits and '-' only, no dots",
        field_path=".metadata.name",
    ),
    CelRule(
        f"size(self.metadata.name) <= {_NAME_MAX}",
        f"the name is too long for the label '{names.app_label(names.predictor_name('NAME'))}'; "
        f"use at most {_NAME_MAX} characters",
        field_path=".metadata.name",
    ),
)


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
    """Runs the model: exactly one of `model` (served by a ServingRuntime), a framework's name such as `sklearn` (short
    form of model) or `containers` (a custom server). Without a storageUri it can take TrainedModels."""
    transformer: Transformer | None = None
    """Changes requests and responses."""
    explainer: Explainer | None = None
    """Explains predictions."""
    canary: tuple[CanarySpec, ...] = ()
    """Accepted for compatibility; canaries need weighted routes."""


class InferenceService(ApiModel):
    """A model, or a server that many TrainedModels share, with an address."""

    model_config = ConfigDict(json_schema_extra=cel(*NAME_RULES))

    spec: InferenceServiceSpec
    """What is wanted."""
    status: InferenceServiceStatus | None = None
    """What was last observed."""
