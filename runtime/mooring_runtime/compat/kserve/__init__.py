"""KServe's import paths: `kserve.x` of a program that the launcher runs is `mooring_runtime.compat.kserve.x`.

Belongs here: one module for each public path of KServe, re-exporting our SDK under KServe's names.
"""

from mooring_runtime import InferInput, InferOutput, InferRequest, InferResponse, Model, ModelServer
from mooring_runtime.compat.kserve import errors, logging, model, model_server, protocol, utils

__all__ = [
    "InferInput",
    "InferOutput",
    "InferRequest",
    "InferResponse",
    "Model",
    "ModelServer",
    "errors",
    "logging",
    "model",
    "model_server",
    "protocol",
    "utils",
]
