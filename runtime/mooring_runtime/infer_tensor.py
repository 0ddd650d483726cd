"""A named tensor of a request or response: raw bytes (binary REST, gRPC) or values (JSON, numpy), readable as both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from mooring_api.v2 import Datatype
from mooring_runtime.codec import Buffer, as_bytes, check_shape, decode_json, decode_numbers, decode_raw, encode_raw
from mooring_runtime.datatypes import NUMPY_TYPES, Array, datatype_of, parse_datatype
from mooring_runtime.errors import InvalidInput

Parameters = dict[str, Any]
T = TypeVar("T", bound="InferTensor")


@dataclass(frozen=True)
class Numbers:
    """A list of JSON's numbers that was read into an array at once."""

    array: Array
    """Flat: float64, int64 or uint64."""
    to_list: Callable[[], list[Any]]
    """Makes the list, as it was sent."""


class InferTensor:
    """A named tensor. `data` may be a flat or nested list, or a numpy array of the same type and shape."""

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        datatype: str,
        data: list[Any] | Array | Numbers | None = None,
        parameters: Mapping[str, Any] | None = None,
        raw: Buffer | None = None,
    ) -> None:
        self.name = name
        self.datatype = parse_datatype(datatype, name)
        self.shape = check_shape(name, list(shape))
        self.parameters: Parameters = dict(parameters or {})
        self._data = data
        self._raw = raw
        self._array: Array | None = None

    @property
    def is_raw(self) -> bool:
        """Whether the tensor came as raw bytes, or is to go as such."""
        return self._raw is not None

    @property
    def is_array(self) -> bool:
        """Whether the tensor holds a numpy array, and no list."""
        return isinstance(self._data, np.ndarray | Numbers)

    def as_numpy(self) -> Array:
        """The tensor as an array of its shape; a read-only view where it came as raw bytes.

        Raises:
            InvalidInput: the data does not fit shape and datatype.
        """
        if self._array is None:
            self._array = self._decode()
        return self._array

    def _decode(self) -> Array:
        if self._raw is not None:
            return decode_raw(self.name, self.datatype, self.shape, self._raw)
        if isinstance(self._data, np.ndarray):
            if self._data.size != np.prod(self.shape, dtype=int):
                raise InvalidInput(
                    f"tensor '{self.name}': an array of shape {self._data.shape} cannot be {list(self.shape)}"
                )
            return self._data.astype(NUMPY_TYPES[self.datatype], copy=False).reshape(self.shape)
        if isinstance(self._data, Numbers):
            return decode_numbers(self.name, self.datatype, self.shape, self._data.array)
        return decode_json(self.name, self.datatype, self.shape, self._data if self._data is not None else [])

    @property
    def data(self) -> list[Any]:
        """The elements as a list: as given, or decoded from raw bytes (flat)."""
        if isinstance(self._data, Numbers):
            self._data = self._data.to_list()
        if isinstance(self._data, list):
            return self._data
        values: list[Any] = self.as_numpy().ravel().tolist()
        return values

    @data.setter
    def data(self, data: list[Any] | Array) -> None:
        self._data, self._raw, self._array = data, None, None

    def to_dict(self) -> dict[str, Any]:
        """The tensor as the protocol's JSON has it, with `data` as a list."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "datatype": self.datatype.value,
            "data": self.data,
            "parameters": self.parameters,
        }

    def as_raw(self) -> Buffer:
        """The tensor as raw bytes, without a copy where it came that way."""
        return self._raw if self._raw is not None else encode_raw(self.datatype, self.as_numpy())

    def set_data_from_numpy(self, array: Array, binary_data: bool = True) -> None:
        """Take `array` as the tensor's data.

        Raises:
            InvalidInput: its type or shape is not the tensor's.
        """
        if datatype_of(array) is not self.datatype and not self._is_held_as(array):
            expected = NUMPY_TYPES[self.datatype]
            raise InvalidInput(f"got unexpected datatype {array.dtype} from numpy array, expected {expected}")
        if array.shape != self.shape:
            raise InvalidInput(
                f"got unexpected numpy array shape {list(array.shape)}, expected {list(self.shape)}",
            )
        self._data, self._array = array, array
        self._raw = bytes(encode_raw(self.datatype, array)) if binary_data else None

    def _is_held_as(self, array: Array) -> bool:
        """Whether `array` is what a type without a numpy type of its own is held as: BF16 as float32."""
        return self.datatype is Datatype.BF16 and array.dtype == NUMPY_TYPES[Datatype.BF16]

    def __getstate__(self) -> dict[str, Any]:
        """Pickled without views, which no other process can follow."""
        data = self.data if isinstance(self._data, Numbers) else self._data
        raw = None if self._raw is None else bytes(self._raw)
        return {**self.__dict__, "_data": data, "_raw": raw, "_array": None if raw is not None else self._array}

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or not isinstance(other, InferTensor):
            return NotImplemented
        same_head = (self.name, self.shape, self.datatype, self.parameters) == (
            other.name,
            other.shape,
            other.datatype,
            other.parameters,
        )
        return same_head and bytes(self.as_raw()) == bytes(other.as_raw())

    __hash__ = None  # type: ignore[assignment] # mutable, as KServe's

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, shape={list(self.shape)}, datatype={self.datatype.value!r})"


class InferInput(InferTensor):
    """An input tensor."""

    def as_string(self) -> list[list[str]]:
        """A BYTES tensor as text, row by row.

        Raises:
            InvalidInput: another datatype, or bytes that are no UTF-8.
        """
        if self.datatype is not Datatype.BYTES:
            raise InvalidInput(f"input '{self.name}' is {self.datatype}: only BYTES can be read as text")
        try:
            rows = np.atleast_2d(self.as_numpy())
            return [[as_bytes(element).decode() for element in row.ravel()] for row in rows]
        except UnicodeDecodeError as exc:
            raise InvalidInput(f"input '{self.name}': {exc}") from None


class InferOutput(InferTensor):
    """An output tensor."""

    @classmethod
    def from_numpy(cls, name: str, array: Array, datatype: Datatype | None = None) -> "InferOutput":
        """An output that carries `array` itself."""
        return cls(name, array.shape, datatype or datatype_of(array), data=array)


class RequestedOutput:
    """An output that the client asks for, with its wishes (`binary_data`, `classification`)."""

    def __init__(self, name: str, parameters: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.parameters: Parameters = dict(parameters or {})

    @property
    def binary_data(self) -> bool | None:
        """Whether the client wants raw bytes; None when it did not say."""
        wish = self.parameters.get("binary_data")
        return wish if isinstance(wish, bool) else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RequestedOutput) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment] # mutable, as KServe's


def serialize_byte_tensor(array: Array) -> Array:
    """The elements of a BYTES tensor as raw bytes, which are the one element of what is returned."""
    return np.asarray(bytes(encode_raw(Datatype.BYTES, array)), dtype=np.object_)


def deserialize_bytes_tensor(raw: bytes) -> Array:
    """The elements of raw BYTES, one after another.

    Raises:
        InvalidInput: they end within an element.
    """
    count, position = 0, 0
    while position < len(raw):
        position += 4 + int.from_bytes(raw[position : position + 4], "little")
        count += 1
    return decode_raw("", Datatype.BYTES, (count,), raw)


def with_raw(tensors: Sequence[T], raw: Sequence[Buffer] | None, what: str) -> list[T]:
    """The tensors, with their raw bytes where these come apart from them."""
    if raw and len(raw) != len(tensors):
        raise InvalidInput(f"{len(tensors)} {what}s do not fit {len(raw)} raw {what} contents")
    return (
        [
            type(tensor)(tensor.name, tensor.shape, tensor.datatype, parameters=tensor.parameters, raw=contents)
            for tensor, contents in zip(tensors, raw, strict=True)
        ]
        if raw
        else list(tensors)
    )
