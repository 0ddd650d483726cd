"""The protocol's tensor element types as numpy types.

Source: open-inference-protocol, "Tensor Data Types". BF16 has no numpy type: in memory such a tensor is float32 (exact,
every bfloat16 is a float32), on the wire two bytes an element.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from mooring_api.v2 import Datatype
from mooring_runtime.errors import InvalidInput

Array = npt.NDArray[Any]

NUMPY_TYPES: dict[Datatype, np.dtype[Any]] = {
    Datatype.BOOL: np.dtype(np.bool_),
    Datatype.UINT8: np.dtype(np.uint8),
    Datatype.UINT16: np.dtype("<u2"),
    Datatype.UINT32: np.dtype("<u4"),
    Datatype.UINT64: np.dtype("<u8"),
    Datatype.INT8: np.dtype(np.int8),
    Datatype.INT16: np.dtype("<i2"),
    Datatype.INT32: np.dtype("<i4"),
    Datatype.INT64: np.dtype("<i8"),
    Datatype.FP16: np.dtype("<f2"),
    Datatype.BF16: np.dtype("<f4"),
    Datatype.FP32: np.dtype("<f4"),
    Datatype.FP64: np.dtype("<f8"),
    Datatype.BYTES: np.dtype(np.object_),
}

_DATATYPES = {dtype: name for name, dtype in NUMPY_TYPES.items() if name is not Datatype.BF16}

WIRE_BYTES: dict[Datatype, int] = {
    name: 2 if name is Datatype.BF16 else dtype.itemsize
    for name, dtype in NUMPY_TYPES.items()
    if name is not Datatype.BYTES
}
"""Bytes of one element on the wire; BYTES elements carry their own length."""


def parse_datatype(text: object, tensor: str) -> Datatype:
    """Read a datatype name, upper or lower case.

    Raises:
        InvalidInput: it is none; `tensor` is named in the text.
    """
    try:
        return Datatype(str(text).upper())
    except ValueError:
        known = ", ".join(Datatype)
        raise InvalidInput(f"input '{tensor}': unknown datatype '{text}'; it must be one of {known}") from None


def datatype_of(array: Array) -> Datatype:
    """The datatype that carries `array`; text and object arrays are BYTES.

    Raises:
        InvalidInput: the protocol has no such type (e.g. complex numbers).
    """
    if array.dtype.kind in "SUO":
        return Datatype.BYTES
    try:
        return _DATATYPES[array.dtype.newbyteorder("<")]
    except KeyError:
        raise InvalidInput(f"the v2 protocol has no datatype for numpy's {array.dtype}") from None
