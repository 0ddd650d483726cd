"""What models written for KServe import from `kserve.utils.utils`."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import numpy as np

from mooring_api.v2 import Datatype
from mooring_runtime.cpu_limit import cpu_count
from mooring_runtime.datatypes import Array
from mooring_runtime.errors import InvalidInput
from mooring_runtime.flag_values import boolean
from mooring_runtime.frames import frame
from mooring_runtime.infer_type import InferOutput, InferRequest, InferResponse

__all__ = ["cpu_count", "generate_uuid", "get_predict_input", "get_predict_response", "strtobool", "to_headers"]


def generate_uuid() -> str:
    """A new id for a response."""
    return str(uuid4())


def strtobool(text: str) -> bool:
    """Read y, yes, t, true, on, 1 or n, no, f, false, off, 0.

    Raises:
        ValueError: none of these.
    """
    try:
        return boolean(text)
    except Exception as exc:
        raise ValueError(f"invalid truth value {text}") from exc


def to_headers(context: Any) -> dict[str, str]:
    """The metadata of a gRPC call as headers."""
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def get_predict_input(payload: Mapping[str, Any] | InferRequest, columns: Sequence[str] | None = None) -> Any:
    """What a request holds, as a model takes it.

    Returns:
        A pandas DataFrame where the request says so (`content_type` pd, or v1 instances that are objects), text as a
        list of str, everything else as an array.
    """
    if isinstance(payload, InferRequest):
        if payload.parameters.get("content_type") == "pd":
            return payload.as_dataframe()
        first = payload.inputs[0]
        if first.datatype is Datatype.BYTES and all(isinstance(element, str) for element in first.data):
            return list(first.data)
        return first.as_numpy()
    instances = payload["inputs"] if "inputs" in payload else payload["instances"]
    if instances and isinstance(instances[0], dict):
        rows = frame(instances)
        return rows[list(columns)] if columns else rows
    return np.array(instances)


def get_predict_response(payload: Mapping[str, Any] | InferRequest, result: Any, model_name: str) -> Any:
    """The answer to `payload`, in its protocol: a dict for v1, an InferResponse with `output-0` for v2.

    A DataFrame becomes one output for each column.

    Raises:
        InvalidInput: the client asked for an output that is not there, or v2 has no datatype for the result.
    """
    if not isinstance(payload, InferRequest):
        return {"predictions": result.to_dict("records") if hasattr(result, "columns") else _plain(result)}
    if hasattr(result, "columns"):
        outputs = [InferOutput.from_numpy(str(name), result[name].to_numpy()) for name in result.columns]
    else:
        outputs = [InferOutput.from_numpy("output-0", _elements(result, model_name))]
    return InferResponse(
        payload.id or generate_uuid(),
        model_name,
        outputs,
        requested_outputs=payload.request_outputs,
    )


def _elements(result: Any, model_name: str) -> Array:
    array = np.asarray(result)
    if array.dtype.hasobject and not all(isinstance(element, str | bytes) for element in array.ravel()):
        raise InvalidInput(f"model '{model_name}': v2 has no datatype for a result of {array.dtype} elements")
    return array


def _plain(result: Any) -> Any:
    return result.tolist() if isinstance(result, np.ndarray) else result
