"""Arrays."""

from typing import Any

import numpy as np

from mooring_runtime.datatypes import datatype_of
from mooring_runtime.infer_tensor import InferTensor
from mooring_runtime.mlserver.codecs.base import InputCodec
from mooring_runtime.mlserver.codecs.lookup import register_input_codec, register_request_codec
from mooring_runtime.mlserver.codecs.single import SingleInputRequestCodec
from mooring_runtime.mlserver.tensor_data import TensorData
from mooring_runtime.mlserver.types import RequestInput, ResponseOutput


@register_input_codec
class NumpyCodec(InputCodec):
    """Content type `np`: an array of the tensor's shape; BYTES become an array of objects, `null` a NaN."""

    ContentType = "np"
    TypeHint = np.ndarray

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Arrays."""
        return isinstance(payload, np.ndarray)

    @classmethod
    def is_for(cls, hint: Any) -> bool:
        """`np.ndarray`, of whatever elements."""
        return hint is np.ndarray or getattr(hint, "__origin__", None) is np.ndarray

    @classmethod
    def elements(cls, payload: Any, use_bytes: bool) -> tuple[list[int], str, Any]:
        """The array; one of N elements in a row is N rows of one."""
        shape = [*payload.shape, 1] if payload.ndim == 1 else list(payload.shape)
        datatype = datatype_of(payload)
        if payload.dtype.kind in "SUO":
            return shape, datatype, payload.ravel().tolist()
        if payload.dtype.kind == "f" and np.isnan(payload).any():
            return shape, datatype, [None if value != value else value for value in payload.ravel().tolist()]
        # A copy, since the model may write into its array again before the answer is sent.
        return shape, datatype, TensorData.of(InferTensor("", shape, datatype, data=np.array(payload, order="C")))

    @classmethod
    def value(cls, tensor: RequestInput | ResponseOutput) -> Any:
        """The array, which is the caller's own to write into.

        Raises:
            InvalidInput: the data does not fit shape and datatype.
        """
        source = tensor.data.tensor
        if source is not None and list(source.shape) == tensor.shape and source.datatype == tensor.datatype:
            return source.as_numpy().copy()
        data = tensor.data.root
        elements = list(data) if isinstance(data, list | tuple) else [data]
        return InferTensor(tensor.name, tensor.shape, tensor.datatype, elements).as_numpy()


@register_request_codec
class NumpyRequestCodec(SingleInputRequestCodec):
    """Content type `np` of a whole request."""

    ContentType = "np"
    TypeHint = np.ndarray
    InputCodec = NumpyCodec
