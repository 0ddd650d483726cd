"""`kserve.protocol.infer_type`."""

from mooring_runtime.infer_type import InferInput, InferOutput, InferRequest, InferResponse, RequestedOutput

__all__ = ["InferInput", "InferOutput", "InferRequest", "InferResponse", "RequestedOutput"]
