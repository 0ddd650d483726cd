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

from mooring_runtime import errors, logging, model_server, utils
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
    "errors",
    "logging",
    "model_server",
    "utils",
]
