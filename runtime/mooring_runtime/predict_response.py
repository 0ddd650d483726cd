"""The answer of a model that computes arrays, in the protocol of its question. Names and arguments are KServe's."""

from typing import Any
from uuid import uuid4

import numpy as np

from mooring_runtime.datatypes import Array
from mooring_runtime.errors import InvalidInput
from mooring_runtime.infer_type import InferOutput, InferRequest, InferResponse


def generate_uuid() -> str:
    """An id for a response."""
    return str(uuid4())


def get_predict_response(
    payload: dict[str, Any] | InferRequest, result: Array | list[Any], model_name: str
) -> dict[str, Any] | InferResponse:
    """Wrap `result`: `{"predictions": [...]}` for a v1 body, the output `output-0` for a v2 request.

    Raises:
        InvalidInput: v2 has no datatype for the result's elements.
    """
    array = np.asarray(result)
    if not isinstance(payload, InferRequest):
        return {"predictions": array.tolist()}
    if array.dtype.kind == "U":
        array = array.astype(object)
    if array.dtype.hasobject and not all(isinstance(value, str | bytes) for value in array.ravel()):
        raise InvalidInput(f"model '{model_name}': a result of {array.dtype} elements has no datatype in v2")
    output = InferOutput.from_numpy("output-0", array)
    return InferResponse(payload.id or generate_uuid(), model_name, [output])
