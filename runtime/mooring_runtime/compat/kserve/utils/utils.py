"""`kserve.utils.utils`."""

from mooring_runtime.predict_response import generate_uuid, get_predict_response

__all__ = ["generate_uuid", "get_predict_response"]
