import pickle
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mooring_runtime.codec import encode_raw
from mooring_runtime.datatypes import datatype_of
from mooring_runtime.errors import InvalidInput
from mooring_runtime.infer_tensor import InferTensor
from mooring_runtime.mlserver import MLModel, ModelParameters, ModelSettings
from mooring_runtime.mlserver.codecs import (
    Base64Codec,
    CodecError,
    CodecNotFound,
    DatetimeCodec,
    InputCodec,
    NumpyCodec,
    NumpyRequestCodec,
    RequestCodec,
    StringCodec,
    StringRequestCodec,
    decode_args,
)
from mooring_runtime.mlserver.tensor_data import TensorData
from mooring_runtime.mlserver.types import InferenceRequest, MetadataTensor, Parameters, RequestInput, RequestOutput

NOW = datetime(2026, 11, 25, 22, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("codec", "payload", "shape", "datatype", "data"),
    [
        (StringCodec, ["a", "ü"], [2, 1], "BYTES", ["a", "ü"]),
        (Base64Codec, [b"\xff"], [1, 1], "BYTES", ["/w=="]),
        (DatetimeCodec, [NOW], [1, 1], "BYTES", ["2026-11-25T22:05:00+00:00"]),
    ],
)
def test_lists_go_out_as_rows_and_come_back(
    codec: type[InputCodec], payload: Any, shape: list[int], datatype: str, data: list[str]
) -> None:
    for use_bytes in (False, True):
        output = codec.encode_output("y", payload, use_bytes=use_bytes)
        assert (output.name, output.shape, output.datatype) == ("y", shape, datatype)
        assert output.data.root == ([text.encode() for text in data] if use_bytes else data)
        assert output.parameters == Parameters(content_type=codec.ContentType)
        assert codec.decode_output(output) == payload
        assert codec.decode_input(codec.encode_input("x", payload, use_bytes=use_bytes)) == payload


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.5, 2.5]], np.float32),
        np.array([[1], [2]], np.uint8),
        np.array([[[True, False]]]),
        np.array([["a", "b"]], np.object_),
    ],
    ids=["FP32", "UINT8", "BOOL", "BYTES"],
)
def test_an_array_comes_back_as_it_went(array: npt.NDArray[Any]) -> None:
    back = NumpyCodec.decode_output(NumpyCodec.encode_output("y", array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_a_row_of_numbers_becomes_rows_and_nan_is_null() -> None:
    output = NumpyCodec.encode_output("y", np.array([1, np.nan]))
    assert (output.shape, output.datatype, output.data.root) == ([2, 1], "FP64", [1.0, None])
    np.testing.assert_array_equal(NumpyCodec.decode_output(output), [[1], [np.nan]])


def tensor(data: Any, datatype: str = "BYTES", content_type: str | None = None, name: str = "x") -> RequestInput:
    parameters = {"parameters": {"content_type": content_type}} if content_type else {}
    document = {"name": name, "shape": [len(data)], "datatype": datatype, "data": data, **parameters}
    return RequestInput.model_validate(document)


def test_what_is_no_base64_is_taken_as_it_is_and_nested_text_in_row_major_order() -> None:
    assert Base64Codec.decode_input(tensor(["/w==", "no base64!"])) == [b"\xff", b"no base64!"]
    assert StringCodec.decode_input(tensor([["a", b"b"], ["c"]])) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("codec", "data"), [(DatetimeCodec, ["soon"]), (StringCodec, [b"\xff"]), (StringCodec, [1])], ids=repr
)
def test_data_of_another_type_is_the_client_s_fault(codec: type[InputCodec], data: list[Any]) -> None:
    with pytest.raises(CodecError, match="'x' cannot be read as content type"):
        codec.decode_input(tensor(data))


def test_an_array_that_does_not_fit_is_the_client_s_fault() -> None:
    with pytest.raises(InvalidInput, match="takes 2 elements"):
        NumpyCodec.decode_input(RequestInput.model_validate({**tensor([1], "INT32").model_dump(), "shape": [2]}))


@pytest.mark.parametrize(
    ("codec", "payload"), [(NumpyRequestCodec, np.array([[1, 2]])), (StringRequestCodec, ["a"])], ids=["np", "str"]
)
def test_a_whole_request_is_one_value(codec: type[RequestCodec], payload: Any) -> None:
    request = codec.encode_request(payload)
    assert request.inputs[0].name == "input-1"
    np.testing.assert_array_equal(codec.decode_request(request), payload)
    response = codec.encode_response("m", payload, "2")
    assert (response.model_name, response.model_version, response.outputs[0].name) == ("m", "2", "output-1")
    np.testing.assert_array_equal(codec.decode_response(response), payload)
    with pytest.raises(CodecError, match="exactly 1 input"):
        codec.decode_request(InferenceRequest(inputs=[]))


def model(**settings: Any) -> MLModel:
    return MLModel(ModelSettings.model_validate({"name": "m", "implementation": "a.B", **settings}))


def test_an_input_s_own_content_type_goes_before_the_declared_before_the_default() -> None:
    declared = MetadataTensor(name="x", datatype="BYTES", shape=[-1], parameters=Parameters(content_type="str"))
    one = model(inputs=[declared])
    assert one.decode(tensor(["/w=="], content_type="base64"), default_codec=NumpyCodec) == [b"\xff"]
    assert one.decode(tensor(["/w=="]), default_codec=NumpyCodec) == ["/w=="]
    assert one.decode(tensor(["/w=="], name="other"), default_codec=Base64Codec) == [b"\xff"]
    assert one.decode(tensor(["/w=="], name="other")).root == ["/w=="]
    strange = tensor(["/w=="], content_type="pickle")  # the model's own affair
    assert one.decode(strange).root == ["/w=="]
    assert one.decode(strange, default_codec=Base64Codec) == [b"\xff"]


def test_a_request_s_content_type_goes_before_the_settings_before_the_default() -> None:
    request = InferenceRequest(inputs=[tensor(["a"])])
    named = InferenceRequest(inputs=[tensor(["a"])], parameters=Parameters(content_type="np"))
    assert model().decode_request(request) is request
    assert model().decode_request(request, default_codec=StringRequestCodec) == ["a"]
    by_settings = model(parameters=ModelParameters(content_type="str"))
    assert by_settings.decode_request(request) == ["a"]
    assert isinstance(by_settings.decode_request(named), np.ndarray)


def test_values_are_encoded_as_asked_or_by_their_type() -> None:
    asked = RequestOutput(name="y", parameters=Parameters(content_type="base64"))
    assert model().encode([b"\xff"], asked).data.root == [b"/w=="]
    assert model().encode(np.array([[1.0]]), RequestOutput(name="y")).datatype == "FP64"
    response = model(parameters={"version": "2"}).encode_response(["a"])
    assert (response.model_name, response.model_version, response.outputs[0].data.root) == ("m", "2", [b"a"])
    with pytest.raises(CodecNotFound, match="from a dict"):
        model().encode_response({})
    with pytest.raises(CodecNotFound, match="for a dict, for output y"):
        model().encode({}, RequestOutput(name="y"))
    with pytest.raises(CodecNotFound, match="for content type pickle"):
        model().encode(["a"], RequestOutput(name="y", parameters=Parameters(content_type="pickle")))


def test_a_value_s_own_type_goes_before_the_default_codec() -> None:
    response = model().encode_response(np.array([[1.0]]), default_codec=StringRequestCodec)
    assert response.outputs[0].datatype == "FP64"
    assert model().encode(["a"], RequestOutput(name="y"), default_codec=Base64Codec).data.root == [b"a"]


def raw(array: npt.NDArray[Any]) -> RequestInput:
    """An input that came as raw bytes."""
    source = InferTensor("x", array.shape, datatype_of(array), raw=encode_raw(datatype_of(array), array))
    document = {"name": "x", "shape": list(array.shape), "datatype": source.datatype, "data": TensorData.of(source)}
    return RequestInput.model_validate(document)


def test_raw_data_becomes_an_array_without_a_list_and_a_list_for_who_reads_one() -> None:
    one = raw(np.array([[1.5, 2.5]], np.float32))
    array = NumpyCodec.decode_input(one)
    assert one.data.tensor is not None  # nobody has made a list
    array *= 2  # it is the model's own
    assert NumpyCodec.decode_input(one).tolist() == [[1.5, 2.5]]
    assert (one.data.root, len(one.data), list(one.data), one.data[1]) == ([1.5, 2.5], 2, [1.5, 2.5], 2.5)
    one.data.root[0] = 7.0
    assert NumpyCodec.decode_input(one).tolist() == [[7.0, 2.5]]  # what was written counts


def test_requests_with_raw_data_are_dumped_copied_and_compared_like_others() -> None:
    array = np.array([1, 2], np.int32)
    listed = RequestInput.model_validate({"name": "x", "shape": [2], "datatype": "INT32", "data": [1, 2]})
    assert raw(array) == listed
    assert raw(array).model_dump() == listed.model_dump()
    assert raw(array).model_dump_json() == listed.model_dump_json()
    assert raw(array).model_copy(deep=True) == listed
    assert pickle.loads(pickle.dumps(raw(array))) == listed


def test_an_array_that_was_encoded_does_not_change_with_the_model_s() -> None:
    array = np.ones((1, 2), np.float32)
    output = NumpyCodec.encode_output("y", array)
    array[:] = 0
    assert output.data.root == [1.0, 1.0]


class Taking(MLModel):
    @decode_args
    async def predict(  # type: ignore[override] # what decode_args is for
        self, texts: list[str], numbers: npt.NDArray[Any], more: list[bytes] | None = None
    ) -> Any:
        return numbers * len(texts), ["none" if more is None else "some"]


async def test_arguments_are_decoded_by_their_annotations_and_a_tuple_is_many_outputs() -> None:
    one = Taking(ModelSettings(name="m", implementation="a.B"))
    inputs = [tensor(["a", "b"], name="texts"), tensor([3], "INT64", name="numbers")]
    response = await one.predict(InferenceRequest(inputs=inputs))
    assert [(output.name, output.data.root) for output in response.outputs] == [
        ("output-0", [6]),
        ("output-1", [b"none"]),
    ]
    response = await one.predict(InferenceRequest(inputs=[*inputs, tensor(["/w=="], name="more")]))
    assert response.outputs[1].data.root == [b"some"]
    with pytest.raises(CodecError, match="needs the inputs numbers"):
        await one.predict(InferenceRequest(inputs=inputs[:1]))


def test_an_annotation_without_a_codec_is_told_when_the_class_is_made() -> None:
    async def predict(self: Any, x: int) -> int:
        return x

    predict.__annotations__.pop("self")
    with pytest.raises(CodecNotFound, match="int"):
        decode_args(predict)
