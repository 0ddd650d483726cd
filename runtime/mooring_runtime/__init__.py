"""The model server: REST v1, REST v2 and gRPC v2 over one data plane, and the SDK for models of one's own.

Belongs here: transports, the repository of loaded models, lanes, bundled backends, the SDK. Does not belong here:
fetching models (the agent does), Kubernetes, anything that imports torch before the server listens.

    from mooring_runtime import Model, ModelServer

    class Doubler(Model):
        def predict(self, payload, headers=None):
            return {"predictions": [2 * x for x in payload["instances"]]}

    ModelServer().start([Doubler("doubler")])
"""

from mooring_runtime.infer_type import InferInput, InferOutput, InferRequest, InferResponse, RequestedOutput
from mooring_runtime.model import Model
from mooring_runtime.model_server import ModelServer

__all__ = ["InferInput", "InferOutput", "InferRequest", "InferResponse", "Model", "ModelServer", "RequestedOutput"]
