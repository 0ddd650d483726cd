"""Requests and responses between the server's form and MLServer's types."""

from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from mooring_runtime.datatypes import Array
from mooring_runtime.errors import InferenceError, InvalidInput
from mooring_runtime.infer_type import InferOutput, InferRequest, InferResponse
from mooring_runtime.mlserver.tensor_data import TensorData
from mooring_runtime.mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from mooring_runtime.registry.servable import Headers


def to_mlserver(request: InferRequest, headers: Headers) -> InferenceRequest:
    """The request as `predict` gets it: with an id, its headers among its parameters, data as the client nested it.

    Raises:
        InvalidInput: data does not fit its tensor, or a parameter that MLServer knows has the wrong type.
    """
    for tensor in request.inputs:
        tensor.as_numpy()  # what does not fit is told to the client, before the model stumbles over it
    document: dict[str, Any] = {
        "id": request.id or str(uuid4()),
        "parameters": {**request.parameters, "headers": headers},
        "inputs": [
            {
                "name": tensor.name,
                "shape": list(tensor.shape),
                "datatype": tensor.datatype,
                "data": TensorData.of(tensor),
                **_parameters(tensor.parameters),
            }
            for tensor in request.inputs
        ],
    }
    if request.request_outputs:
        document["outputs"] = [{"name": wish.name, **_parameters(wish.parameters)} for wish in request.request_outputs]
    try:
        return InferenceRequest.model_validate(document)
    except ValidationError as exc:
        fault = exc.errors()[0]
        raise InvalidInput(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None


def _parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """The field, or none: what is not set stays so."""
    return {"parameters": parameters} if parameters else {}


def from_mlserver(response: object, request: InferenceRequest, model: str) -> tuple[InferResponse, Headers]:
    """The answer of `predict`, and the headers to send with it.

    Raises:
        InferenceError: it is none, or one of its outputs does not fit itself.
    """
    if not isinstance(response, InferenceResponse):
        raise InferenceError(
            f"Model with name {model} answered a {type(response).__name__}: predict must answer an InferenceResponse."
        )
    outputs = [_output(output, model) for output in response.outputs]
    parameters = response.parameters.model_dump() if response.parameters else {}
    headers = {name: str(value) for name, value in (parameters.pop("headers", None) or {}).items()}
    answer = InferResponse(
        response.id or request.id, response.model_name, outputs, response.model_version, parameters=parameters
    )
    return answer, headers


def _output(output: ResponseOutput, model: str) -> InferOutput:
    parameters = output.parameters.model_dump() if output.parameters else {}
    try:
        tensor = InferOutput(output.name, output.shape, output.datatype, _data(output), parameters)
        tensor.as_numpy()
    except InvalidInput as exc:
        raise InferenceError(f"Model with name {model} answered a faulty output: {exc}") from exc
    return tensor


def _data(output: ResponseOutput) -> list[Any] | Array:
    """The elements: an array where the output was encoded from one, or is an input that nobody has touched."""
    source = output.data.tensor
    if source is not None and source.datatype == output.datatype:
        return source.as_numpy()
    data = output.data.root
    return list(data) if isinstance(data, list | tuple) else [data]
