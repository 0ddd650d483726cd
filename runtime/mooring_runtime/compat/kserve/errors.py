"""`kserve.errors`."""

from mooring_runtime.errors import InferenceError, InvalidInput, ModelNotFound, ModelNotReady, ServerNotReady

__all__ = ["InferenceError", "InvalidInput", "ModelNotFound", "ModelNotReady", "ServerNotReady"]
