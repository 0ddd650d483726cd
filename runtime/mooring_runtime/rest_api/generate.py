"""Triton's generate extension (`extension_generate.md`): JSON values by name instead of tensors; pure.

Each member of the body, and of its `parameters`, is the input of that name where the model declares one, else a
parameter. A model that declares nothing gets every member outside of `parameters` as an input.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mooring_api.v2 import Datatype
from mooring_runtime.codec import encode_json
from mooring_runtime.errors import InvalidInput
from mooring_runtime.infer_type import InferInput, InferOutput, InferRequest, InferResponse, Parameters
from mooring_runtime.registry.servable import TensorMetadata


def generate_request(document: Mapping[str, Any], model_name: str, declared: Sequence[TensorMetadata]) -> InferRequest:
    """The request that a generate body stands for.

    A value is one element, a list as many; the last free size of the declared shape makes them fit, those before it
    are 1. `id` is the request's where no input has that name.

    Raises:
        InvalidInput: a value fits no tensor, or not the one of its name.
    """
    by_name = {tensor.name: tensor for tensor in declared}
    nested = document.get("parameters")
    if not isinstance(nested, dict | None):
        raise InvalidInput("parameters must be an object")
    members = {name: value for name, value in document.items() if name != "parameters"}
    request_id = None if "id" in by_name else members.pop("id", None)
    inputs, parameters = [], Parameters()
    for name, value in [*members.items(), *(nested or {}).items()]:
        if name in by_name:
            inputs.append(_declared_input(by_name[name], value))
        elif not declared and name in members:
            inputs.append(_guessed_input(name, value))
        else:
            parameters[name] = value
    return InferRequest(model_name, inputs, None if request_id is None else str(request_id), parameters=parameters)


def _declared_input(tensor: TensorMetadata, value: object) -> InferInput:
    values = _values(tensor.name, value)
    made = InferInput(tensor.name, _shape(tensor.shape, len(values)), tensor.datatype, values)
    made.as_numpy()  # whether the values fit shows here
    return made


def _shape(declared: Sequence[int], count: int) -> list[int]:
    """`declared` with sizes for its free ones, so that it takes `count` elements if any sizes do."""
    free = [position for position, size in enumerate(declared) if size == -1]
    shape = [1 if size == -1 else size for size in declared]
    row = math.prod(shape)
    if free and row:
        shape[free[-1]] = count // row
    return shape


def _guessed_input(name: str, value: object) -> InferInput:
    values = _values(name, value)
    for datatype, kinds in _GUESSES.items():
        if values and all(type(element) in kinds for element in values):
            return InferInput(name, [len(values)], datatype, values)
    raise InvalidInput(f"'{name}': must be a text, number or truth value, or a list of such of one kind")


_GUESSES: dict[Datatype, tuple[type, ...]] = {
    Datatype.BYTES: (str,),
    Datatype.BOOL: (bool,),
    Datatype.INT64: (int,),
    Datatype.FP32: (int, float),
}


def _values(name: str, value: object) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if any(isinstance(element, list | dict) for element in values):
        raise InvalidInput(f"'{name}': must be a value, or a list of values")
    return values


def generate_document(response: InferResponse, request_id: str | None) -> dict[str, Any]:
    """What a response is as JSON: each output by its name, one element as a value, others as a flat list.

    Args:
        response: What the model answered.
        request_id: The client's; one that was made up is left out.

    Raises:
        InvalidInput: an output has no JSON form.
    """
    told = {} if request_id is None else {"id": request_id}
    return {
        **told,
        "model_name": response.model_name,
        "model_version": response.model_version,
        **response.parameters,
        **{output.name: _value(output) for output in response.outputs},
    }


def _value(output: InferOutput) -> Any:
    elements = encode_json(output.name, output.datatype, output.as_numpy())
    return elements[0] if len(elements) == 1 else elements
