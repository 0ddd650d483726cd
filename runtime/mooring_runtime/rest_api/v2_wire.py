"""v2 bodies: JSON, and JSON followed by raw tensors (Triton's `extension_binary_data.md`).

Faults in a body are `InvalidInput` that name the field; nothing here looks at models.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import orjson

from mooring_runtime.codec import check_shape, encode_json
from mooring_runtime.datatypes import parse_datatype
from mooring_runtime.errors import InvalidInput
from mooring_runtime.infer_tensor import Numbers
from mooring_runtime.infer_type import (
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
    InferTensor,
    RequestedOutput,
)
from mooring_runtime.rest_api.long_lists import LONG_BYTES, read_long_lists

HEADER_LENGTH = "inference-header-content-length"
T = TypeVar("T", bound=InferTensor)


def parse_request(body: bytes, header_length: str | None, model_name: str) -> InferRequest:
    """Read a request.

    Args:
        body: The whole body.
        header_length: The header that tells where the JSON ends, when raw tensors follow.
        model_name: From the path.

    Raises:
        InvalidInput: what is wrong, and where.
    """
    document, raw = _request_document(body, header_length)
    inputs, used = [], 0
    for position, item in enumerate(_list_of_objects(document, "inputs")):
        tensor, size = read_tensor(InferInput, f"inputs[{position}]", item, raw[used:])
        inputs.append(tensor)
        used += size
    if used != len(raw):
        raise InvalidInput(f"the body has {len(raw) - used} bytes more than its inputs' binary_data_size add up to")
    outputs = [
        RequestedOutput(_name(item, f"outputs[{position}]"), _parameters(item, f"outputs[{position}]"))
        for position, item in enumerate(_list_of_objects(document, "outputs", required=False))
    ]
    request_id = document.get("id")
    return InferRequest(
        model_name,
        inputs,
        None if request_id is None else str(request_id),
        parameters=_parameters(document, "request"),
        request_outputs=outputs or None,
    )


def _request_document(body: bytes, header_length: str | None) -> tuple[dict[str, Any], memoryview]:
    if header_length is None and len(body) >= LONG_BYTES and (document := read_long_lists(body)) is not None:
        return document, memoryview(b"")
    return read_document(body, header_length)


def read_document(body: bytes, header_length: str | None) -> tuple[dict[str, Any], memoryview]:
    """The JSON part of a body, and the raw tensors behind it.

    Raises:
        InvalidInput: no JSON object, or a header that does not fit the body.
    """
    if header_length is None:
        return _document(body, is_all=True), memoryview(b"")
    json_length = _json_length(header_length, len(body))
    return _document(body[:json_length], is_all=False), memoryview(body)[json_length:]


def _json_length(header: str, body_length: int) -> int:
    # Python reads no number of thousands of digits, and says so by a ValueError.
    if not header.isdecimal() or len(header) > _MAX_DIGITS or not 0 < int(header) <= body_length:
        raise InvalidInput(
            f"header Inference-Header-Content-Length is '{header[:_MAX_DIGITS]}': it must be the length of the JSON "
            f"part, at most the body's {body_length} bytes"
        )
    return int(header)


_MAX_DIGITS = 20
"""More than any length has."""


def _document(text: bytes, is_all: bool) -> dict[str, Any]:
    """The JSON, which may be all of a body."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        advice = _ADVICE if is_all and _is_binary(text) else ""
        raise InvalidInput(f"Unrecognized request format: {exc}{advice}") from None
    if not isinstance(document, dict):
        raise InvalidInput(f"the body must be a JSON object, got {type(document).__name__}")
    return document


_ADVICE = ": raw tensors behind the JSON need the header Inference-Header-Content-Length, which tells where they begin"


def _is_binary(text: bytes) -> bool:
    try:
        return "\0" in text.decode()
    except UnicodeDecodeError:
        return True


def _list_of_objects(document: Mapping[str, Any], key: str, required: bool = True) -> list[dict[str, Any]]:
    value = document.get(key)
    if value is None and not required:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InvalidInput(f'Expected "{key}" to be a list of objects')
    return value


def read_tensor(kind: type[T], where: str, item: dict[str, Any], raw: memoryview) -> tuple[T, int]:
    """One tensor, and how many of the raw bytes it took.

    Raises:
        InvalidInput: it is malformed; the text names it, or `where` it is.
    """
    name = _name(item, where)
    for key in ("shape", "datatype"):
        if key not in item:
            raise InvalidInput(f"input '{name}': {key} is missing")
    shape, datatype = check_shape(name, item["shape"]), parse_datatype(item["datatype"], name)
    parameters = _parameters(item, f"input '{name}'")
    size = parameters.pop("binary_data_size", None)
    if size is None:
        if not isinstance(item.get("data"), list | Numbers):
            raise InvalidInput(f"input '{name}': data must be a list")
        return kind(name, shape, datatype, item["data"], parameters), 0
    if type(size) is not int or not 0 <= size <= len(raw):
        raise InvalidInput(f"input '{name}': binary_data_size is {size}, but {len(raw)} raw bytes are left in the body")
    return kind(name, shape, datatype, parameters=parameters, raw=raw[:size]), size


def _name(item: Mapping[str, Any], where: str) -> str:
    name = item.get("name")
    if not isinstance(name, str):
        raise InvalidInput(f"{where}: name must be a string")
    return name


def _parameters(item: Mapping[str, Any], where: str) -> dict[str, Any]:
    parameters = item.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidInput(f"{where}: parameters must be an object")
    return parameters


def render_response(response: InferResponse, request: InferRequest) -> tuple[bytes, dict[str, str]]:
    """Write a response as `request` wants it; answers body and headers.

    Keys have KServe's order and its nulls. Outputs are raw where the client asked for binary data, request-wide or by
    output, the latter going before the former.
    """
    wishes = {wish.name: wish.binary_data for wish in request.request_outputs or ()}
    outputs, tail = [], []
    for output in response.outputs:
        wish = wishes.get(output.name)
        if wish if wish is not None else request.use_binary_outputs:
            raw = output.as_raw()
            outputs.append(_output(output, {"binary_data_size": len(raw)}))
            tail.append(raw)
        else:
            data = encode_json(output.name, output.datatype, output.as_numpy())
            outputs.append({**_output(output, {}), "data": data})
    head = orjson.dumps(_envelope(response, outputs), option=orjson.OPT_SERIALIZE_NUMPY)
    if not tail:
        return head, {"content-type": "application/json"}
    return b"".join([head, *tail]), {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(head))}


def response_document(response: InferResponse) -> dict[str, Any]:
    """A response as a JSON-ready value, without raw tensors; parameters are there only where there are some."""
    outputs = [
        _told({**_output(output, {}), "data": encode_json(output.name, output.datatype, output.as_numpy())})
        for output in response.outputs
    ]
    return _told(_envelope(response, outputs))


def _told(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "parameters" or value}


def _envelope(response: InferResponse, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "model_name": response.model_name,
        "model_version": response.model_version,
        "id": response.id,
        "parameters": response.parameters or None,
        "outputs": outputs,
    }


def _output(output: InferOutput, extra: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": output.name,
        "shape": output.shape,
        "datatype": output.datatype,
        "parameters": {**output.parameters, **extra} or None,
    }
