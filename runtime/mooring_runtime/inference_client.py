"""The clients, at KServe's import path."""

from mooring_runtime.grpc_client import InferenceGRPCClient, InferenceServerClient
from mooring_runtime.predictor_config import PredictorProtocol
from mooring_runtime.rest_client import InferenceRESTClient, RESTConfig

__all__ = ["InferenceGRPCClient", "InferenceRESTClient", "InferenceServerClient", "PredictorProtocol", "RESTConfig"]
