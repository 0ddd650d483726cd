"""The model server: REST v1, REST v2 and gRPC v2 over one data plane, and the SDK for models of one's own.

Belongs here: transports, the repository of loaded models, lanes, bundled backends, the SDK. Does not belong here:
fetching models (the agent does), Kubernetes, anything that imports torch before the server listens.

    from mooring_runtime import Model, ModelServer

    class Doubler(Model):
        def predict(self, payload, headers=None):
            return {"predictions": [2 * x for x in payload["instances"]]}

    ModelServer().start([Doubler("doubler")])

The SDK has KServe's names at KServe's places, so that a model written for it changes only its import line, or not even
that: `mooring-runtime run model.py`.
"""

import re
from typing import Any

from mooring_runtime import errors, logging, model_server
from mooring_runtime.constants import constants
from mooring_runtime.infer_type import InferInput, InferOutput, InferRequest, InferResponse, RequestedOutput
from mooring_runtime.inference_client import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferenceServerClient,
    RESTConfig,
)
from mooring_runtime.model import Model
from mooring_runtime.model_repository import ModelRepository
from mooring_runtime.model_server import ModelServer
from mooring_runtime.predictor_config import PredictorConfig, PredictorProtocol
from mooring_runtime.utils import utils

__all__ = [
    "InferInput",
    "InferOutput",
    "InferRequest",
    "InferResponse",
    "InferenceGRPCClient",
    "InferenceRESTClient",
    "InferenceServerClient",
    "Model",
    "ModelRepository",
    "ModelServer",
    "PredictorConfig",
    "PredictorProtocol",
    "RESTConfig",
    "RequestedOutput",
    "constants",
    "errors",
    "logging",
    "model_server",
    "utils",
]

_CLUSTER = re.compile(r"V1(alpha1|beta1)[A-Z]\w*|Knative[A-Z]\w*|KServeClient|ApiClient|Configuration|\w+Exception")
"""Names of KServe's client for clusters."""


def __getattr__(name: str) -> Any:
    """Tell about names that KServe has and this package has not."""
    if _CLUSTER.fullmatch(name):
        raise ImportError(
            f"{name} belongs to KServe's client for clusters, which a server does without, as this runtime does. "
            "A program that talks to Kubernetes needs KServe's package, pip install kserve, and runs by python itself: "
            "the objects are Mooring's as well."
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
