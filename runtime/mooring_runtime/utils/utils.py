"""What models written for KServe import from `kserve.utils.utils`."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from mooring_api.v2 import Datatype
from mooring_runtime.datatypes import Array
from mooring_runtime.errors import InvalidInput
from mooring_runtime.flag_values import boolean
from mooring_runtime.infer_type import InferOutput, InferRequest, InferResponse
from mooring_runtime.lanes.cpu_limit import cpu_count
from mooring_runtime.predictor_config import PredictorProtocol
from mooring_runtime.rest_api.cloud_events import Attributes, Event, Mode, is_structured, write_event
from mooring_runtime.sdk.frames import frame
from mooring_runtime.utils.numpy_codec import from_np_dtype, to_np_dtype

__all__ = [
    "cpu_count",
    "create_response_cloudevent",
    "from_np_dtype",
    "generate_uuid",
    "get_current_k8s_namespace",
    "get_default_target_namespace",
    "get_predict_input",
    "get_predict_response",
    "is_running_in_k8s",
    "is_structured_cloudevent",
    "is_v1",
    "is_v2",
    "strtobool",
    "to_headers",
    "to_np_dtype",
]

_SECRETS = Path("/var/run/secrets/kubernetes.io")
"""Where Kubernetes mounts a pod's service account."""


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
    """The metadata of a gRPC call as headers, with what is to be sent at its end."""
    trailing = context.trailing_metadata() if hasattr(context, "trailing_metadata") else None
    pairs = [*(context.invocation_metadata() or ()), *(trailing or ())]
    return {key: value for key, value in pairs if isinstance(value, str)}


def is_structured_cloudevent(body: Mapping[str, Any]) -> bool:
    """Whether a decoded body is a structured CloudEvent."""
    return is_structured(body)


def create_response_cloudevent(
    model_name: str, response: Any, req_attributes: Mapping[str, Any], binary_event: bool = False
) -> tuple[dict[str, str], bytes]:
    """An answer as a CloudEvent: headers and body.

    Args:
        model_name: Who answers.
        response: The answer, ready for JSON.
        req_attributes: Those of the request's event; repeated where CE_MERGE is true.
        binary_event: Whether attributes go as headers.
    """
    event = Event(None, req_attributes, Mode.BINARY if binary_event else Mode.STRUCTURED)
    attributes = Attributes.from_environ(os.environ)
    body, headers = write_event(event, response, attributes, model_name, generate_uuid(), datetime.now(UTC))
    return headers, body


def is_v1(protocol: str | PredictorProtocol) -> bool:
    """Whether a predictor speaks REST v1."""
    return protocol.lower() == PredictorProtocol.REST_V1


def is_v2(protocol: str | PredictorProtocol) -> bool:
    """Whether a predictor speaks REST v2."""
    return protocol.lower() == PredictorProtocol.REST_V2


def is_running_in_k8s() -> bool:
    """Whether this process runs in a pod."""
    return _SECRETS.is_dir()


def get_current_k8s_namespace() -> str:
    """The namespace of this pod.

    Raises:
        OSError: this is no pod, or one without a service account.
    """
    return (_SECRETS / "serviceaccount" / "namespace").read_text().strip()


def get_default_target_namespace() -> str:
    """The namespace of this pod, `default` elsewhere."""
    return get_current_k8s_namespace() if is_running_in_k8s() else "default"


def get_predict_input(payload: Mapping[str, Any] | InferRequest, columns: Sequence[str] | None = None) -> Any:
    """What a request holds, as a model takes it.

    Returns:
        A pandas DataFrame where the request says so (`content_type` pd, or v1 instances that are objects, or lists of
        them), text as a list of str, everything else as an array.
    """
    if isinstance(payload, InferRequest):
        if payload.parameters.get("content_type") == "pd":
            return payload.as_dataframe()
        tensor = payload.inputs[0]
        if tensor.datatype is Datatype.BYTES and all(isinstance(element, str) for element in tensor.data):
            return list(tensor.data)
        return tensor.as_numpy()
    instances = payload["inputs"] if "inputs" in payload else payload["instances"]
    first: Any = instances[0] if len(instances) else None
    if isinstance(first, list) and first and isinstance(first[0], dict):
        instances, first = [row for rows in instances for row in rows], first[0]
    if isinstance(first, dict):
        rows = frame(instances)
        return rows[list(columns)] if columns else rows
    return instances if isinstance(first, str) else np.array(instances)


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
