"""`kserve.model`."""

from mooring_runtime.model import InferenceVerb, Model

__all__ = ["InferenceVerb", "Model"]
