"""v2 bodies without JSON: the data of a model's one input, or an image as it is; pure.

`Inference-Header-Content-Length: 0` is Triton's (`extension_binary_data.md`, "Raw Binary Request");
`Content-Type: image/…` is ours, so that `curl --data-binary @cat.jpg` needs no base64.
"""

import math
from collections.abc import Sequence

import numpy as np

from mooring_api.v2 import Datatype
from mooring_runtime.datatypes import WIRE_BYTES
from mooring_runtime.errors import InvalidInput
from mooring_runtime.infer_type import InferInput, InferRequest
from mooring_runtime.registry.servable import TensorMetadata

_UNDECLARED = TensorMetadata("input-0", Datatype.BYTES, (-1,))
"""What a model that declares nothing is taken to want."""


def is_raw(header_length: str | None, content_type: str) -> bool:
    """Whether a body holds nothing but data."""
    return header_length == "0" or (header_length is None and _is_image(content_type))


def _is_image(content_type: str) -> bool:
    return content_type.lower().startswith("image/")


def raw_request(body: bytes, content_type: str, model_name: str, declared: Sequence[TensorMetadata]) -> InferRequest:
    """The request that a raw body stands for.

    An image is one BYTES element. Other data go by what the model declares; the answer to them has raw outputs too.

    Raises:
        InvalidInput: the model takes more than one input, or the data do not fit the one it takes.
    """
    if len(declared) > 1:
        names = ", ".join(tensor.name for tensor in declared)
        raise InvalidInput(f"a raw body is one input, and model '{model_name}' takes {len(declared)}: {names}")
    tensor = declared[0] if declared else _UNDECLARED
    if _is_image(content_type):
        return InferRequest(model_name, [_one_element(TensorMetadata(tensor.name, Datatype.BYTES, (1,)), body)])
    made = _one_element(tensor, body) if tensor.datatype == Datatype.BYTES else _numbers(tensor, body)
    return InferRequest(model_name, [made], parameters={"binary_data_output": True})


def _one_element(tensor: TensorMetadata, body: bytes) -> InferInput:
    """The whole body as the one element of a BYTES tensor, without a length in front."""
    if any(size not in (-1, 1) for size in tensor.shape):
        raise InvalidInput(f"input '{tensor.name}': a raw body is one element, the shape is {list(tensor.shape)}")
    array = np.empty([1] * len(tensor.shape), dtype=np.object_)
    array[...] = body
    return InferInput(tensor.name, array.shape, Datatype.BYTES, array)


def _numbers(tensor: TensorMetadata, body: bytes) -> InferInput:
    """Numbers, as many as there are: the last size that is free makes them fit, those before it are 1."""
    free = [position for position, size in enumerate(tensor.shape) if size == -1]
    shape = [1 if size == -1 else size for size in tensor.shape]
    row_bytes = math.prod(shape) * WIRE_BYTES[Datatype(tensor.datatype)]
    if free and row_bytes:
        shape[free[-1]], rest = divmod(len(body), row_bytes)
        if rest:
            raise InvalidInput(
                f"input '{tensor.name}': {len(body)} bytes are no multiple of {row_bytes}, "
                f"which {tensor.datatype} of shape {list(tensor.shape)} takes"
            )
    made = InferInput(tensor.name, shape, tensor.datatype, raw=body)
    made.as_numpy()  # whether the bytes fit shows here
    return made
