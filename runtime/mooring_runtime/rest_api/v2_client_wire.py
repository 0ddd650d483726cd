"""The client's half of the v2 REST wire: requests as it writes them, responses as it reads them.

A tensor that holds raw bytes goes as binary data, any other as JSON; the answer is read in either form.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from mooring_runtime.codec import encode_json
from mooring_runtime.errors import InvalidInput
from mooring_runtime.infer_type import InferOutput, InferRequest, InferResponse, InferTensor
from mooring_runtime.rest_api.v2_wire import read_document, read_tensor


def request_document(request: InferRequest) -> tuple[dict[str, Any], list[bytes | bytearray | memoryview]]:
    """The JSON part of `request`, and the raw tensors that follow it."""
    inputs, tail = [], []
    for tensor in request.inputs:
        head, raw = _tensor(tensor)
        inputs.append(head)
        if raw is not None:
            tail.append(raw)
    document: dict[str, Any] = {"id": request.id, "model_name": request.model_name, "inputs": inputs}
    if request.parameters:
        document["parameters"] = request.parameters
    if request.request_outputs:
        document["outputs"] = [{"name": wish.name, "parameters": wish.parameters} for wish in request.request_outputs]
    return document, tail


def _tensor(tensor: InferTensor) -> tuple[dict[str, Any], bytes | bytearray | memoryview | None]:
    head: dict[str, Any] = {"name": tensor.name, "shape": list(tensor.shape), "datatype": str(tensor.datatype)}
    if tensor.is_raw:
        raw = tensor.as_raw()
        return {**head, "parameters": {**tensor.parameters, "binary_data_size": len(raw)}}, raw
    if tensor.parameters:
        head["parameters"] = tensor.parameters
    return {**head, "data": encode_json(tensor.name, tensor.datatype, tensor.as_numpy())}, None


def parse_response(body: bytes, header_length: str | None) -> InferResponse:
    """Read a response, JSON or JSON and raw tensors.

    Raises:
        InvalidInput: the body is no v2 response; the text says what is wrong with it.
    """
    document, raw = read_document(body, header_length)
    return response_of(document, raw)


def response_of(document: Mapping[str, Any], raw: memoryview) -> InferResponse:
    """A response from its JSON part and the raw tensors behind it."""
    items = document.get("outputs")
    if not isinstance(items, list):
        raise InvalidInput('Expected "outputs" to be a list of objects')
    outputs, used = [], 0
    for position, item in enumerate(items):
        tensor, size = read_tensor(InferOutput, f"outputs[{position}]", item, raw[used:])
        outputs.append(tensor)
        used += size
    return InferResponse(
        document.get("id"),
        str(document.get("model_name", "")),
        outputs,
        model_version=document.get("model_version"),
        parameters=document.get("parameters"),
    )


def write(document: Mapping[str, Any], tail: list[bytes | bytearray | memoryview]) -> tuple[bytes, int | None]:
    """The body, and the length of its JSON part where raw tensors follow."""
    head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return (b"".join([head, *tail]), len(head)) if tail else (head, None)
