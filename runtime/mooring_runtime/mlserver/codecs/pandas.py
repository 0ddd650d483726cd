"""Tables: a DataFrame whose columns are the tensors of a request or response. Only who uses it needs pandas."""

import json
from typing import Any

import numpy as np
import orjson

from mooring_runtime.mlserver.codecs.base import RequestCodec
from mooring_runtime.mlserver.codecs.decoded import get_decoded, has_decoded
from mooring_runtime.mlserver.codecs.lists import flat
from mooring_runtime.mlserver.codecs.lookup import INPUT_CODECS, register_request_codec
from mooring_runtime.mlserver.codecs.numpy import NumpyCodec
from mooring_runtime.mlserver.errors import CodecError
from mooring_runtime.mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    Parameters,
    RequestInput,
    ResponseOutput,
)
from mooring_runtime.sdk.frames import frame, is_frame, is_frame_type


@register_request_codec
class PandasCodec(RequestCodec):
    """Content type `pd` of a whole request.

    Columns of text have content type `str`, columns of anything else but numbers `pd_json`: each element is JSON.
    """

    ContentType = "pd"
    JsonContentType = "pd_json"
    TypeHint = "pandas.DataFrame"

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """DataFrames."""
        return is_frame(payload)

    @classmethod
    def is_for(cls, hint: Any) -> bool:
        """`pandas.DataFrame`."""
        return is_frame_type(hint)

    @classmethod
    def encode_outputs(cls, payload: Any, use_bytes: bool = True) -> list[ResponseOutput]:
        """A table as one output for each column."""
        return [ResponseOutput(**_fields(name, payload[name], use_bytes)) for name in payload]

    @classmethod
    def encode_response(
        cls, model_name: str, payload: Any, model_version: str | None = None, use_bytes: bool = True, **wishes: Any
    ) -> InferenceResponse:
        """A table as a response."""
        return InferenceResponse(
            model_name=model_name,
            model_version=model_version,
            parameters=Parameters(content_type=cls.ContentType),
            outputs=cls.encode_outputs(payload, use_bytes),
        )

    @classmethod
    def encode_request(cls, payload: Any, use_bytes: bool = True, **wishes: Any) -> InferenceRequest:
        """A table as a request."""
        inputs = [RequestInput(**_fields(name, payload[name], use_bytes)) for name in payload]
        return InferenceRequest(parameters=Parameters(content_type=cls.ContentType), inputs=inputs)

    @classmethod
    def decode_request(cls, request: InferenceRequest) -> Any:
        """The inputs as columns.

        Raises:
            CodecError: an input has more than one value a row, or an element of it is no JSON where it must be.
            InvalidInput: an input's data does not fit its shape and datatype.
            NotSupported: pandas is not installed.
        """
        return frame({tensor.name: _column(tensor) for tensor in request.inputs})

    @classmethod
    def decode_response(cls, response: InferenceResponse) -> Any:
        """The outputs as columns; raises as `decode_request`."""
        return frame({tensor.name: _column(tensor) for tensor in response.outputs})


def _column(tensor: RequestInput | ResponseOutput) -> Any:
    """A tensor's elements, one a row: a list, or an array of the tensor's datatype."""
    content_type = tensor.parameters.content_type if tensor.parameters else None
    if content_type == PandasCodec.JsonContentType:
        try:
            return [json.loads(element) for element in flat(tensor.data.root)]
        except ValueError as exc:
            raise CodecError(f"'{tensor.name}' cannot be read as content type pd_json: {exc}") from exc
    if has_decoded(tensor):
        column = get_decoded(tensor)
    elif codec := INPUT_CODECS.of_content_type(content_type):
        column = codec.decode_input(tensor) if isinstance(tensor, RequestInput) else codec.decode_output(tensor)
    elif tensor.datatype == "BYTES":
        column = list(flat(tensor.data.root))
    else:
        column = NumpyCodec.value(tensor)
    if not isinstance(column, np.ndarray):
        return column
    if column.size != len(column):
        raise CodecError(f"'{tensor.name}' has shape {tensor.shape}: a column of a table has one value a row")
    return column.reshape(-1)


def _fields(name: Any, column: Any, use_bytes: bool) -> dict[str, Any]:
    """A column as the fields of a tensor of shape [N, 1]."""
    array = column.to_numpy()
    if array.dtype.kind != "O":
        shape, datatype, data = NumpyCodec.elements(array, use_bytes)
        return {"name": str(name), "shape": shape, "datatype": datatype, "data": data}
    elements = [None if missing else element for element, missing in zip(array, column.isna(), strict=True)]
    if all(isinstance(element, str | bytes) for element in elements):
        content_type = "str"
        data = [element.encode() if use_bytes and isinstance(element, str) else element for element in elements]
    else:
        content_type = PandasCodec.JsonContentType
        texts = [orjson.dumps(element, option=orjson.OPT_SERIALIZE_NUMPY) for element in elements]
        data = texts if use_bytes else [text.decode() for text in texts]
    parameters = Parameters(content_type=content_type)
    return {"name": str(name), "shape": [len(data), 1], "datatype": "BYTES", "data": data, "parameters": parameters}
