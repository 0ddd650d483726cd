"""Tables, and codecs that users bring."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.runtime.test_mlserver_codecs import model, raw, tensor

from mooring_runtime.errors import InvalidInput
from mooring_runtime.mlserver import MLModel, ModelSettings
from mooring_runtime.mlserver.codecs import (
    CodecError,
    InputCodec,
    NumpyRequestCodec,
    PandasCodec,
    RequestCodec,
    SingleInputRequestCodec,
    decode_args,
    get_decoded_or_raw,
    lookup,
    register_input_codec,
    register_request_codec,
)
from mooring_runtime.mlserver.codecs.decoded import content_type_of
from mooring_runtime.mlserver.types import InferenceRequest, Parameters, RequestInput, RequestOutput, ResponseOutput

TABLE = pd.DataFrame(
    {"number": [1, 2], "share": [0.5, np.nan], "text": ["a", "ü"], "list": [[1, "x"], None], "on": [True, False]}
)


@pytest.mark.parametrize("use_bytes", [True, False])
def test_a_table_goes_out_as_columns_and_comes_back(use_bytes: bool) -> None:
    request = PandasCodec.encode_request(TABLE, use_bytes=use_bytes)
    assert request.parameters == Parameters(content_type="pd")
    told = {
        column.name: (column.datatype, column.shape, content_type_of(column, []), list(column.data))
        for column in request.inputs
    }
    text, lists = ["a", "ü"], ['[1,"x"]', "null"]
    assert told == {
        "number": ("INT64", [2, 1], None, [1, 2]),
        "share": ("FP64", [2, 1], None, [0.5, None]),
        "text": ("BYTES", [2, 1], "str", [each.encode() for each in text] if use_bytes else text),
        "list": ("BYTES", [2, 1], "pd_json", [each.encode() for each in lists] if use_bytes else lists),
        "on": ("BOOL", [2, 1], None, [True, False]),
    }
    back = model().decode_request(request)
    assert back.to_dict("list") == {**TABLE.to_dict("list"), "share": [0.5, pytest.approx(np.nan, nan_ok=True)]}
    response = model().encode_response(TABLE)
    assert [output.name for output in response.outputs] == list(TABLE)
    pd.testing.assert_frame_equal(PandasCodec.decode_response(response), back)


def test_columns_are_decoded_by_content_types_of_their_own_first() -> None:
    inputs = [tensor(["/w=="], content_type="base64", name="b"), raw(np.array([3], np.int8))]
    request = InferenceRequest(inputs=inputs, parameters=Parameters(content_type="pd"))
    table = model().decode_request(request, default_codec=NumpyRequestCodec)
    assert table.to_dict("list") == {"b": [b"\xff"], "x": [3]}
    assert table["x"].dtype == np.int8


@pytest.mark.parametrize(
    ("column", "error", "text"),
    [
        (raw(np.ones((2, 2), np.float32)), CodecError, "has shape .2, 2.: a column of a table has one value a row"),
        (tensor(["{"], content_type="pd_json"), CodecError, "'x' cannot be read as content type pd_json"),
        (tensor(["a"], datatype="INT8"), InvalidInput, "not INT8"),
    ],
    ids=["two values a row", "no JSON", "text"],
)
def test_a_column_that_is_none_is_the_client_s_fault(column: RequestInput, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        PandasCodec.decode_request(InferenceRequest(inputs=[column]))


def test_without_pandas_everything_else_works_and_tables_say_what_is_missing() -> None:
    code = """
import sys
sys.modules["pandas"] = None
from mooring_runtime.mlserver import codecs
from mooring_runtime.mlserver.types import InferenceRequest
assert not codecs.PandasCodec.can_encode([])
try:
    codecs.PandasCodec.decode_request(InferenceRequest(inputs=[]))
except Exception as exc:
    assert "needs pandas" in str(exc), exc
else:
    raise AssertionError
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_runtime_does_not_import_pandas_by_itself() -> None:
    code = "import sys, mooring_runtime.mlserver; assert 'pandas' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


class Rows(MLModel):
    @decode_args
    async def predict(self, table: pd.DataFrame, factor: np.ndarray[Any, Any]) -> pd.DataFrame:  # type: ignore[override]
        return table * int(factor[0])


async def test_an_argument_for_a_table_takes_the_inputs_that_no_other_names() -> None:
    rows = Rows(ModelSettings(name="m", implementation="a.B"))
    a, b, factor = (tensor([1, 2], "INT64", name=name) for name in ("a", "b", "factor"))
    response = await rows.predict(InferenceRequest(inputs=[a, factor, b]))
    assert [(output.name, output.data.root) for output in response.outputs] == [("a", [1, 2]), ("b", [1, 2])]
    with pytest.raises(CodecError, match="needs the inputs table"):
        await rows.predict(InferenceRequest(inputs=[factor]))


@pytest.fixture
def own_codecs() -> Iterator[tuple[type[InputCodec], type[RequestCodec]]]:
    """Codecs as MLServer's documentation shows them, registered as there."""
    before = dict(lookup.INPUT_CODECS._codecs), dict(lookup.REQUEST_CODECS._codecs)

    @register_input_codec
    class Reversed(InputCodec):
        ContentType = "reversed"
        TypeHint = complex

        @classmethod
        def can_encode(cls, payload: Any) -> bool:
            return isinstance(payload, complex)

        @classmethod
        def encode_output(cls, name: str, payload: Any) -> ResponseOutput:  # type: ignore[override] # without use_bytes
            data = [payload.imag, payload.real]
            return ResponseOutput(name=name, shape=[2], datatype="FP64", data=data)

        @classmethod
        def decode_input(cls, request_input: RequestInput) -> Any:
            imag, real = request_input.data
            return complex(real, imag)

    class Summed(RequestCodec):
        ContentType = "summed"

        @classmethod
        def decode_request(cls, request: InferenceRequest) -> Any:
            return sum(get_decoded_or_raw(each) for each in request.inputs)

    register_request_codec(Summed)

    @register_request_codec
    class One(SingleInputRequestCodec):
        ContentType = "reversed"
        InputCodec = Reversed

    yield Reversed, One
    lookup.INPUT_CODECS._codecs, lookup.REQUEST_CODECS._codecs = before


def test_a_codec_of_one_s_own_is_found_by_content_type_value_and_annotation(
    own_codecs: tuple[type[InputCodec], type[RequestCodec]],
) -> None:
    one = tensor([1.0, 2.0], "FP64", content_type="reversed")
    assert model().decode(one) == 2 + 1j
    asked = RequestOutput(name="y", parameters=Parameters(content_type="reversed"))
    assert model().encode(3 + 4j, asked).data.root == [4.0, 3.0]
    assert model().encode_response(3 + 4j).outputs[0].data.root == [4.0, 3.0]
    request = InferenceRequest(inputs=[one, one], parameters=Parameters(content_type="summed"))
    assert model().decode_request(request) == 4 + 2j
    assert model().decode_request(InferenceRequest(inputs=[one]), default_codec=own_codecs[1]) == 2 + 1j

    async def predict(self: Any, x: complex) -> complex:
        return x

    predict.__annotations__.pop("self")
    decode_args(predict)  # knows the annotation
