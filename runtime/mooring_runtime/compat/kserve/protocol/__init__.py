"""`kserve.protocol`."""

from mooring_runtime.compat.kserve.protocol import infer_type

__all__ = ["infer_type"]
