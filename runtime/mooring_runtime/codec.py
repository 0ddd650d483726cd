"""Tensors to and from the wire, as pure functions: raw little-endian bytes and JSON values.

Raw layout (Triton's `extension_binary_data.md`, and gRPC `raw_input_contents`): elements row-major and little-endian,
BOOL one byte, BYTES each with a 4-byte length in front. Numeric tensors are read and written without a copy where the
machine is little-endian, which all that we build for are.
"""

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from mooring_api.v2 import Datatype
from mooring_runtime.datatypes import NUMPY_TYPES, WIRE_BYTES, Array
from mooring_runtime.errors import InvalidInput

Buffer = bytes | bytearray | memoryview

_LENGTH = struct.Struct("<I")

MAX_DIMENSIONS = 32
MAX_ELEMENTS = 2**40


def element_count(shape: Sequence[int]) -> int:
    """Number of elements of a tensor of `shape`; 1 for a scalar."""
    return math.prod(shape)


def check_shape(name: str, shape: object) -> tuple[int, ...]:
    """Read a shape.

    Raises:
        InvalidInput: not a list of whole numbers of at least 0, or larger than any tensor; the text names the tensor.
    """
    if not isinstance(shape, list | tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise InvalidInput(f"input '{name}': shape must be a list of whole numbers of at least 0, got {shape!r}")
    # An empty tensor may name any sizes beside its zero; numpy takes neither too many nor too large ones.
    if len(shape) > MAX_DIMENSIONS or math.prod(max(size, 1) for size in shape) > MAX_ELEMENTS:
        raise InvalidInput(f"input '{name}': shape is too large: at most {MAX_DIMENSIONS} sizes, 2^40 elements")
    return tuple(shape)


def decode_raw(name: str, datatype: Datatype, shape: Sequence[int], raw: Buffer) -> Array:
    """Read a tensor from its raw bytes; numeric arrays are read-only views of `raw` (BF16 is widened, so copied).

    Raises:
        InvalidInput: the bytes do not fit the shape.
    """
    if datatype is Datatype.BYTES:
        return _decode_byte_strings(name, shape, raw)
    expected = element_count(shape) * WIRE_BYTES[datatype]
    if len(raw) != expected:
        raise InvalidInput(
            f"input '{name}': {datatype} of shape {list(shape)} takes {expected} bytes, got {len(raw)}",
        )
    if datatype is Datatype.BF16:
        halves = np.frombuffer(raw, dtype="<u2").astype("<u4")
        return (halves << 16).view("<f4").reshape(shape)
    return np.frombuffer(raw, dtype=NUMPY_TYPES[datatype]).reshape(shape)


def _decode_byte_strings(name: str, shape: Sequence[int], raw: Buffer) -> Array:
    view, count, position = memoryview(raw), element_count(shape), 0
    elements = np.empty(count, dtype=np.object_) if 4 * count <= len(raw) else None
    for index in range(count):
        end = position + 4
        length = _LENGTH.unpack_from(view, position)[0] if elements is not None and end <= len(view) else None
        if elements is None or length is None or end + length > len(view):
            raise InvalidInput(f"input '{name}': raw BYTES end before element {index} of {count}")
        elements[index] = bytes(view[end : end + length])
        position = end + length
    if position != len(view):
        raise InvalidInput(f"input '{name}': {len(view) - position} raw bytes are left after {count} elements")
    return elements.reshape(shape) if elements is not None else np.empty(shape, dtype=np.object_)


def encode_raw(datatype: Datatype, array: Array) -> bytes | memoryview:
    """Write a tensor as raw bytes; a contiguous numeric array is not copied.

    BF16 rounds float32 to nearest even, as hardware does; NaN stays NaN.
    """
    if datatype is Datatype.BYTES:
        parts = [as_bytes(element) for element in array.ravel()]
        return b"".join(_LENGTH.pack(len(part)) + part for part in parts)
    if datatype is Datatype.BF16:
        return _to_bfloat16(array).tobytes()
    contiguous = np.ascontiguousarray(array, dtype=NUMPY_TYPES[datatype])
    return contiguous.reshape(-1).view(np.uint8).data if contiguous.size else b""


def _to_bfloat16(array: Array) -> Array:
    bits = np.ascontiguousarray(array, dtype="<f4").view("<u4")
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    # Rounding would carry a NaN's payload over into infinity: keep its upper half and make it quiet.
    return np.where(np.isnan(array), (bits >> 16) | 0x40, rounded).astype("<u2")


def as_bytes(element: object) -> bytes:
    """One BYTES element as bytes; text is UTF-8."""
    return element if isinstance(element, bytes) else str(element).encode()


def decode_json(name: str, datatype: Datatype, shape: Sequence[int], data: object) -> Array:
    """Read a tensor from JSON `data`, flat or nested; `null` is NaN in floating types.

    BYTES elements stay text, so that a model can tell base64 text from raw bytes.

    Raises:
        InvalidInput: not a list, wrong number of elements, or an element that does not fit the datatype.
    """
    if not isinstance(data, list):
        raise InvalidInput(f"input '{name}': data must be a list, got {type(data).__name__}")
    array = _text_array(name, data) if datatype is Datatype.BYTES else _numeric_array(name, datatype, data)
    return _shaped(name, shape, array)


def decode_numbers(name: str, datatype: Datatype, shape: Sequence[int], numbers: Array) -> Array:
    """Read a tensor from JSON's numbers, of whatever type of 64 bits.

    Raises:
        InvalidInput: wrong number of elements, or one that does not fit the datatype.
    """
    return _shaped(name, shape, _fitted(name, datatype, numbers))


def _shaped(name: str, shape: Sequence[int], array: Array) -> Array:
    if array.size != element_count(shape):
        raise InvalidInput(
            f"input '{name}': shape {list(shape)} takes {element_count(shape)} elements, data has {array.size}",
        )
    return array.reshape(shape)


def _text_array(name: str, data: list[Any]) -> Array:
    flat = list(_flatten(data))
    if not all(isinstance(element, str | bytes) for element in flat):
        raise InvalidInput(f"input '{name}': BYTES elements must be strings")
    array = np.empty(len(flat), dtype=np.object_)
    array[:] = flat
    return array


def _flatten(data: list[Any]) -> Any:
    """The elements in row-major order, without recursion: nesting comes from the client."""
    stack = [iter(data)]
    while stack:
        for element in stack[-1]:
            if isinstance(element, list):
                stack.append(iter(element))
                break
            yield element
        else:
            stack.pop()


def _numeric_array(name: str, datatype: Datatype, data: list[Any]) -> Array:
    dtype = NUMPY_TYPES[datatype]
    try:
        array = np.asarray(data) if data else np.empty(0, dtype)
        if array.dtype == np.object_:  # null, or integers beyond 64 bits
            array = np.asarray(data, dtype=dtype if dtype.kind == "f" else None)
        if datatype is Datatype.UINT64 and array.dtype.kind == "f" and not _holds_floats(data):
            array = np.asarray(data, dtype=dtype)  # numpy reads integers on both sides of 2**63 as float64
    except (ValueError, TypeError, OverflowError):
        raise InvalidInput(f"input '{name}': data is ragged or holds values that are not {datatype}") from None
    return _fitted(name, datatype, array)


def _fitted(name: str, datatype: Datatype, array: Array) -> Array:
    dtype = NUMPY_TYPES[datatype]
    if not _fits(array, dtype):
        raise InvalidInput(f"input '{name}': data holds values that are not {datatype}")
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def _holds_floats(data: list[Any]) -> bool:
    return any(isinstance(element, float) for element in _flatten(data))


def _fits(array: Array, dtype: np.dtype[Any]) -> bool:
    """Whether JSON numbers may become `dtype`: no text, no fractions or overflow in whole-number types."""
    if array.size == 0:
        return True
    if dtype.kind == "b":
        return array.dtype.kind == "b" or (array.dtype.kind in "iu" and bool(np.isin(array, (0, 1)).all()))
    if dtype.kind == "f":
        return array.dtype.kind in "iufb"
    if array.dtype.kind == "f":  # 1.0 is a whole number in JSON
        if not bool((np.isfinite(array) & (array == np.floor(array))).all()):
            return False
    elif array.dtype.kind not in "iub":
        return False
    limits = np.iinfo(dtype)
    # As Python's numbers: numpy would round 2**64 - 1 to a float's 2**64, and has no order between it and a bool.
    return int(array.min()) >= limits.min and int(array.max()) <= limits.max


def encode_json(name: str, datatype: Datatype, array: Array) -> Any:
    """The elements of a tensor for JSON: an array that orjson writes itself, or a list of texts.

    Raises:
        InvalidInput: BYTES that are not UTF-8 have no JSON form; to ask for it is the client's mistake.
    """
    if datatype is Datatype.BYTES:
        try:
            return [as_bytes(element).decode() for element in array.ravel()]
        except UnicodeDecodeError:
            raise InvalidInput(
                f"output '{name}' holds bytes that are not UTF-8: ask for it with parameter binary_data, or by gRPC",
            ) from None
    if datatype is Datatype.FP16:
        array = array.astype("<f4")
    return np.ascontiguousarray(array).reshape(-1)
