from typing import Any

import numpy as np
import pytest

from mooring_runtime import InferOutput, InferResponse
from mooring_runtime.errors import InvalidInput
from mooring_runtime.registry.servable import TensorMetadata
from mooring_runtime.rest_api.generate import generate_document, generate_request


def declared(**tensors: tuple[str, tuple[int, ...]]) -> list[TensorMetadata]:
    return [TensorMetadata(name, datatype, shape) for name, (datatype, shape) in tensors.items()]


@pytest.mark.parametrize(
    ("value", "tensor", "shape", "elements"),
    [
        ("hi", ("BYTES", (-1,)), [1], ["hi"]),
        ("hi", ("BYTES", (-1, 1)), [1, 1], ["hi"]),
        (["a", "b"], ("BYTES", (-1, -1)), [1, 2], ["a", "b"]),
        (3, ("INT32", (1,)), [1], [3]),
        ([1, 2, 3, 4], ("FP32", (-1, 2)), [2, 2], [1, 2, 3, 4]),
        (True, ("BOOL", (1, 1)), [1, 1], [True]),
        ([], ("FP32", (-1,)), [0], []),
        (2, ("FP32", ()), [], [2]),
    ],
)
def test_a_member_is_the_input_of_its_name(
    value: Any, tensor: tuple[str, tuple[int, ...]], shape: list[int], elements: list[Any]
) -> None:
    for body in ({"x": value}, {"parameters": {"x": value}}):
        request = generate_request(body, "m", declared(x=tensor))
        (made,) = request.inputs
        assert (made.datatype, list(made.as_numpy().shape)) == (tensor[0], shape)
        assert made.as_numpy().ravel().tolist() == elements
        assert request.parameters == {}


def test_what_is_no_input_is_a_parameter() -> None:
    body = {"id": 5, "x": 1, "stop": "now", "parameters": {"temperature": 0.5}}
    request = generate_request(body, "m", declared(x=("INT64", (1,))))
    assert request.id == "5"
    assert [tensor.name for tensor in request.inputs] == ["x"]
    assert request.parameters == {"stop": "now", "temperature": 0.5}
    assert generate_request({"id": 5}, "m", declared(id=("INT64", (1,)))).inputs[0].data == [5]


@pytest.mark.parametrize(
    ("value", "datatype"),
    [("a", "BYTES"), (True, "BOOL"), ([1, 2], "INT64"), ([1, 2.5], "FP32")],
)
def test_a_model_that_declares_nothing_gets_tensors_of_the_values_kind(value: Any, datatype: str) -> None:
    request = generate_request({"x": value, "parameters": {"p": value}}, "m", [])
    assert [(tensor.name, tensor.datatype.value) for tensor in request.inputs] == [("x", datatype)]
    assert request.parameters == {"p": value}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"x": [1, 2, 3]}, r"input 'x': shape \[1, 2\] takes 2 elements, data has 3"),
        ({"x": ["a", "b"]}, "input 'x': data holds values that are not FP32"),
        ({"x": {}}, "'x': must be a value"),
        ({"parameters": []}, "parameters must be an object"),
    ],
)
def test_values_that_do_not_fit_are_the_client_s_mistake(body: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        generate_request(body, "m", declared(x=("FP32", (-1, 2))))


@pytest.mark.parametrize("value", [None, [], [1, "a"], [True, 1]], ids=str)
def test_a_value_without_a_kind_is_no_input_of_a_model_that_declares_nothing(value: Any) -> None:
    with pytest.raises(InvalidInput, match="'x': must be a text, number or truth value"):
        generate_request({"x": value}, "m", [])


def test_outputs_are_members_of_the_answer() -> None:
    outputs = [
        InferOutput.from_numpy("one", np.array([[1.5]], np.float32)),
        InferOutput.from_numpy("many", np.array([[1, 2], [3, 4]])),
        InferOutput("text", [1], "BYTES", ["hi"]),
        InferOutput("none", [0], "INT8", []),
    ]
    response = InferResponse("made up", "m", outputs, model_version="2", parameters={"end": True})
    told = generate_document(response, None)
    assert {**told, "many": told["many"].tolist(), "none": told["none"].tolist()} == {
        "model_name": "m",
        "model_version": "2",
        "end": True,
        "one": 1.5,
        "many": [1, 2, 3, 4],
        "text": "hi",
        "none": [],
    }
    assert generate_document(response, "7")["id"] == "7"


def test_bytes_that_are_no_text_have_no_json_form() -> None:
    output = InferOutput("x", [1], "BYTES", [b"\xff"])
    with pytest.raises(InvalidInput, match="not UTF-8"):
        generate_document(InferResponse(None, "m", [output]), None)
