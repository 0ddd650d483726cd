"""Inference messages to and from the data plane's requests and responses; raw contents are not copied."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mooring_api.v2 import Datatype
from mooring_runtime.codec import as_bytes, check_shape, element_count
from mooring_runtime.datatypes import NUMPY_TYPES, Array, parse_datatype
from mooring_runtime.errors import InvalidInput
from mooring_runtime.grpc_api.messages import ModelInferRequest, ModelInferResponse
from mooring_runtime.infer_type import (
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
    InferTensor,
    Parameters,
    RequestedOutput,
)

_CONTENTS: dict[Datatype, str] = {
    Datatype.BOOL: "bool_contents",
    Datatype.INT8: "int_contents",
    Datatype.INT16: "int_contents",
    Datatype.INT32: "int_contents",
    Datatype.INT64: "int64_contents",
    Datatype.UINT8: "uint_contents",
    Datatype.UINT16: "uint_contents",
    Datatype.UINT32: "uint_contents",
    Datatype.UINT64: "uint64_contents",
    Datatype.FP32: "fp32_contents",
    Datatype.FP64: "fp64_contents",
    Datatype.BYTES: "bytes_contents",
}
"""Where the elements of a datatype are in InferTensorContents; FP16 and BF16 travel raw only."""


def parse_request(message: Any) -> InferRequest:
    """Read a ModelInferRequest.

    Raises:
        InvalidInput: what is wrong, and with which input.
    """
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise InvalidInput(
            f"the number of inputs ({len(message.inputs)}) does not match the expected number of raw input contents "
            f"({len(raw)}) for model '{message.model_name}'."
        )
    inputs = [
        _raw_input(tensor, raw[position], message.model_name) if raw else _typed_input(tensor)
        for position, tensor in enumerate(message.inputs)
    ]
    outputs = [RequestedOutput(wish.name, parameters_of(wish.parameters)) for wish in message.outputs]
    return InferRequest(
        message.model_name,
        inputs,
        message.id or None,
        from_grpc=True,
        parameters=parameters_of(message.parameters),
        request_outputs=outputs or None,
        model_version=message.model_version or None,
    )


def _raw_input(tensor: Any, raw: bytes, model: str) -> InferInput:
    if tensor.HasField("contents"):
        raise InvalidInput(
            "contents field must not be specified when using raw_input_contents for input "
            f"'{tensor.name}' for model '{model}'"
        )
    return InferInput(tensor.name, tensor.shape, tensor.datatype, parameters=parameters_of(tensor.parameters), raw=raw)


def _typed_input(tensor: Any) -> InferInput:
    datatype, shape = parse_datatype(tensor.datatype, tensor.name), check_shape(tensor.name, list(tensor.shape))
    field = _contents_field(tensor.name, datatype)
    elements = getattr(tensor.contents, field)
    if len(elements) != element_count(shape):
        raise InvalidInput(
            f"input '{tensor.name}': shape {list(shape)} takes {element_count(shape)} elements, "
            f"{field} has {len(elements)}"
        )
    array = _array(tensor.name, datatype, elements)
    return InferInput(tensor.name, shape, datatype, array, parameters_of(tensor.parameters))


def _array(name: str, datatype: Datatype, elements: Any) -> Array:
    if datatype is Datatype.BYTES:
        array = np.empty(len(elements), dtype=np.object_)
        array[:] = list(elements)
        return array
    wide = np.array(elements)
    array = wide.astype(NUMPY_TYPES[datatype])
    if array.dtype.kind in "iu" and not np.array_equal(array, wide):  # int_contents carries INT8 in 32 bits
        raise InvalidInput(f"input '{name}': contents hold values that are not {datatype}")
    return array


def parameters_of(fields: Mapping[str, Any]) -> Parameters:
    """A map of InferParameter as values; a parameter without a value is left out."""
    chosen = {name: value.WhichOneof("parameter_choice") for name, value in fields.items()}
    return {name: getattr(fields[name], choice) for name, choice in chosen.items() if choice}


def _set_parameters(fields: Any, parameters: Parameters) -> None:
    for name, value in parameters.items():
        kind = _parameter_field(value)
        setattr(fields[name], kind, value if kind != "string_param" else str(value))


def _parameter_field(value: object) -> str:
    """Where a value goes; what the protocol has no field for goes as text."""
    if isinstance(value, bool):  # before int, which it is one of
        return "bool_param"
    if isinstance(value, int):
        return "int64_param" if -(2**63) <= value < 2**63 else "uint64_param" if 0 < value < 2**64 else "string_param"
    return "double_param" if isinstance(value, float) else "string_param"


def render_response(response: InferResponse, request: InferRequest) -> Any:
    """Write a ModelInferResponse: raw when the request was raw, or when an output has no typed contents."""
    message = ModelInferResponse(
        model_name=response.model_name, model_version=response.model_version or "", id=response.id or ""
    )
    _set_parameters(message.parameters, response.parameters)
    raw = request.use_binary_outputs or any(output.datatype not in _CONTENTS for output in response.outputs)
    for output in response.outputs:
        _add(message.outputs, message.raw_output_contents, output, raw)
    return message


def _add(tensors: Any, raw_contents: Any, tensor: InferTensor, raw: bool) -> None:
    """Write one tensor, its elements in its own contents or, raw, behind all tensors."""
    made = tensors.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
    _set_parameters(made.parameters, tensor.parameters)
    if raw:
        raw_contents.append(bytes(tensor.as_raw()))
    else:
        getattr(made.contents, _CONTENTS[tensor.datatype]).extend(_elements(tensor))


def render_request(request: InferRequest) -> Any:
    """Write a ModelInferRequest, as a client does: raw where a tensor is raw, is an array, or has no typed contents."""
    message = ModelInferRequest(
        model_name=request.model_name, model_version=request.model_version or "", id=request.id or ""
    )
    _set_parameters(message.parameters, request.parameters)
    raw = any(tensor.is_raw or tensor.is_array or tensor.datatype not in _CONTENTS for tensor in request.inputs)
    for tensor in request.inputs:
        _add(message.inputs, message.raw_input_contents, tensor, raw)
    for wish in request.request_outputs or ():
        _set_parameters(message.outputs.add(name=wish.name).parameters, wish.parameters)
    return message


def parse_response(message: Any) -> InferResponse:
    """Read a ModelInferResponse.

    Raises:
        InvalidInput: it does not fit itself.
    """
    raw = message.raw_output_contents
    if raw and len(raw) != len(message.outputs):
        raise InvalidInput(f"the response has {len(message.outputs)} outputs and {len(raw)} raw output contents")
    outputs = []
    for position, made in enumerate(message.outputs):
        parameters = parameters_of(made.parameters)
        if raw:
            data, contents = None, raw[position]
        else:
            datatype = parse_datatype(made.datatype, made.name)
            data, contents = (
                _array(made.name, datatype, getattr(made.contents, _contents_field(made.name, datatype))),
                None,
            )
        outputs.append(InferOutput(made.name, list(made.shape), made.datatype, data, parameters, contents))
    return InferResponse(
        message.id or None,
        message.model_name,
        outputs,
        model_version=message.model_version or None,
        from_grpc=True,
        parameters=parameters_of(message.parameters),
    )


def _contents_field(name: str, datatype: Datatype) -> str:
    field = _CONTENTS.get(datatype)
    if field is None:
        raise InvalidInput(f"input '{name}': {datatype} has no typed contents, send it in raw_input_contents")
    return field


def _elements(output: InferTensor) -> list[Any]:
    if output.datatype is Datatype.BYTES:
        return [as_bytes(element) for element in output.as_numpy().ravel()]
    values: list[Any] = output.as_numpy().ravel().tolist()
    return values
