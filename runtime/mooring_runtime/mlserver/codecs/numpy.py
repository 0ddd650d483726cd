"""Arrays."""

from typing import Any

import numpy as np

from mooring_runtime.datatypes import datatype_of
from mooring_runtime.infer_tensor import InferTensor
from mooring_runtime.mlserver.codecs.base import InputCodec, SingleInputRequestCodec
from mooring_runtime.mlserver.types import RequestInput, ResponseOutput


class NumpyCodec(InputCodec):
    """Content type `np`: an array of the tensor's shape; BYTES become an array of objects, `null` a NaN."""

    ContentType = "np"
    TypeHint = np.ndarray

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Arrays."""
        return isinstance(payload, np.ndarray)

    @classmethod
    def elements(cls, payload: Any, use_bytes: bool) -> tuple[list[int], str, list[Any]]:
        """The array; one of N elements in a row is N rows of one."""
        shape = [*payload.shape, 1] if payload.ndim == 1 else list(payload.shape)
        data = payload.ravel().tolist()
        if payload.dtype.kind == "f" and np.isnan(payload).any():
            data = [None if value != value else value for value in data]
        return shape, datatype_of(payload), data

    @classmethod
    def value(cls, tensor: RequestInput | ResponseOutput) -> Any:
        """The array."""
        data = tensor.data.root
        elements = list(data) if isinstance(data, list | tuple) else [data]
        return InferTensor(tensor.name, tensor.shape, tensor.datatype, elements).as_numpy()


class NumpyRequestCodec(SingleInputRequestCodec):
    """Content type `np` of a whole request."""

    ContentType = "np"
    TypeHint = np.ndarray
    InputCodec = NumpyCodec
