"""Requests and responses of the data plane: the same values whether they came by REST, by gRPC or from a user's code.

Names and constructor arguments are KServe's, so that a model written for it finds what it expects. A tensor holds
either raw bytes (binary REST, gRPC) or values (JSON, numpy); `as_numpy` reads both, `data` shows both as values.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mooring_api.v2 import Datatype
from mooring_runtime.codec import Buffer, check_shape, decode_json, decode_raw, encode_raw
from mooring_runtime.datatypes import NUMPY_TYPES, Array, datatype_of, parse_datatype
from mooring_runtime.errors import InvalidInput

Parameters = dict[str, Any]


class InferTensor:
    """A named tensor. `data` may be a flat or nested list, or a numpy array of the same type and shape."""

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        datatype: str,
        data: list[Any] | Array | None = None,
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
        """Whether the tensor came as raw bytes."""
        return self._raw is not None

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
        return decode_json(self.name, self.datatype, self.shape, self._data if self._data is not None else [])

    @property
    def data(self) -> list[Any]:
        """The elements as a list: as given, or decoded from raw bytes (flat)."""
        if isinstance(self._data, list):
            return self._data
        values: list[Any] = self.as_numpy().ravel().tolist()
        return values

    def as_raw(self) -> Buffer:
        """The tensor as raw bytes, without a copy where it came that way."""
        return self._raw if self._raw is not None else encode_raw(self.datatype, self.as_numpy())

    def set_data_from_numpy(self, array: Array, binary_data: bool = True) -> None:
        """Take `array` as the tensor's data.

        Raises:
            InvalidInput: its type or shape is not the tensor's.
        """
        if datatype_of(array) is not self.datatype:
            expected = NUMPY_TYPES[self.datatype]
            raise InvalidInput(f"got unexpected datatype {array.dtype} from numpy array, expected {expected}")
        if array.shape != self.shape:
            raise InvalidInput(
                f"got unexpected numpy array shape {list(array.shape)}, expected {list(self.shape)}",
            )
        self._data, self._array = array, array
        self._raw = bytes(encode_raw(self.datatype, array)) if binary_data else None

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


class InferRequest:
    """A v2 inference request."""

    def __init__(
        self,
        model_name: str,
        infer_inputs: list[InferInput],
        request_id: str | None = None,
        from_grpc: bool = False,
        parameters: Mapping[str, Any] | None = None,
        request_outputs: list[RequestedOutput] | None = None,
        model_version: str | None = None,
    ) -> None:
        self.model_name = model_name
        self.model_version = model_version
        self.id = request_id
        self.inputs = infer_inputs
        self.parameters: Parameters = dict(parameters or {})
        self.request_outputs = request_outputs
        self.from_grpc = from_grpc

    @property
    def use_binary_outputs(self) -> bool:
        """Whether outputs go back as raw bytes unless the client says otherwise for one of them.

        REST says so by `binary_data_output`; over gRPC the answer takes the form of the question.
        """
        if self.from_grpc:
            return any(tensor.is_raw for tensor in self.inputs)
        return self.parameters.get("binary_data_output") is True

    def get_input_by_name(self, name: str) -> InferInput | None:
        """The input of that name, or None."""
        return next((tensor for tensor in self.inputs if tensor.name == name), None)


class InferResponse:
    """A v2 inference response."""

    def __init__(
        self,
        response_id: str | None,
        model_name: str,
        infer_outputs: list[InferOutput],
        model_version: str | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.id = response_id
        self.model_name = model_name
        self.model_version = model_version
        self.outputs = infer_outputs
        self.parameters: Parameters = dict(parameters or {})

    def get_output_by_name(self, name: str) -> InferOutput | None:
        """The output of that name, or None."""
        return next((tensor for tensor in self.outputs if tensor.name == name), None)
