import json
import struct
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from mooring_runtime import InferOutput, InferRequest, InferResponse, RequestedOutput
from mooring_runtime.errors import InvalidInput
from mooring_runtime.rest_api.v2_wire import HEADER_LENGTH, parse_request, render_response

HEAD = (
    b'{"id":"7","inputs":[{"name":"a","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}},'
    b'{"name":"b","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}},'
    b'{"name":"c","shape":[1],"datatype":"INT8","data":[3]}],'
    b'"outputs":[{"name":"y","parameters":{"binary_data":true}},{"name":"z"}]}'
)
TAIL = bytes.fromhex("0000803f 00000040 01000000 61 02000000 ffd8")
"""1.0, 2.0; then "a" and the two bytes that open a JPEG, each behind its length."""


def test_json_with_raw_tensors_is_read_in_order() -> None:
    request = parse_request(HEAD + TAIL, str(len(HEAD)), "m")
    assert request.id == "7"
    assert [tensor.data for tensor in request.inputs] == [[1.0, 2.0], [b"a", b"\xff\xd8"], [3]]
    assert request.inputs[0].parameters == {}
    assert [(wish.name, wish.binary_data) for wish in request.request_outputs or ()] == [("y", True), ("z", None)]


def test_raw_tensors_are_views_of_the_body() -> None:
    body = HEAD + TAIL
    array = parse_request(body, str(len(HEAD)), "m").inputs[0].as_numpy()
    assert np.shares_memory(array, np.frombuffer(body, np.uint8))


def test_an_answer_mixes_raw_and_json_as_the_client_wished() -> None:
    response = InferResponse(
        "7",
        "m",
        [
            InferOutput.from_numpy("y", np.array([1, 2], np.int16)),
            InferOutput.from_numpy("z", np.array(["ä"], dtype=object)),
        ],
        model_version="3",
    )
    request = InferRequest("m", [], request_outputs=[RequestedOutput("y", {"binary_data": True})])
    body, headers = render_response(response, request)
    head = (
        '{"model_name":"m","model_version":"3","id":"7","parameters":null,"outputs":['
        '{"name":"y","shape":[2],"datatype":"INT16","parameters":{"binary_data_size":4}},'
        '{"name":"z","shape":[1],"datatype":"BYTES","parameters":null,"data":["ä"]}]}'
    ).encode()
    assert body == head + b"\x01\x00\x02\x00"
    assert headers == {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(head))}


def test_an_output_s_wish_goes_before_the_request_s() -> None:
    response = InferResponse("7", "m", [InferOutput.from_numpy(name, np.zeros(1, np.float16)) for name in "yz"])
    request = InferRequest(
        "m",
        [],
        parameters={"binary_data_output": True},
        request_outputs=[RequestedOutput("y", {"binary_data": False}), RequestedOutput("z")],
    )
    body, headers = render_response(response, request)
    document = json.loads(body[: int(headers[HEADER_LENGTH])])
    assert [output.get("data") for output in document["outputs"]] == [[0.0], None]


def edited(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2], **changes}
    return {"inputs": [{key: value for key, value in tensor.items() if value is not None}]}


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], "JSON object"),
        ({}, '"inputs"'),
        ({"inputs": {}}, '"inputs"'),
        ({"inputs": [1]}, '"inputs"'),
        (edited(name=None), r"inputs\[0\]: name"),
        (edited(shape=None), "'x': shape is missing"),
        (edited(datatype=None), "'x': datatype is missing"),
        (edited(datatype="FLOAT"), "'x': unknown datatype"),
        (edited(shape="2"), "'x': shape"),
        (edited(shape=[-1]), "'x': shape"),
        (edited(data=None), "'x': data"),
        (edited(data=1), "'x': data"),
        (edited(parameters=[]), "'x': parameters"),
        (edited(parameters={"binary_data_size": 4}), "'x': binary_data_size is 4, but 0 raw bytes"),
        (edited(parameters={"binary_data_size": "4"}), "'x': binary_data_size"),
        ({**edited(), "outputs": [{}]}, r"outputs\[0\]: name"),
        ({**edited(), "parameters": 1}, "request: parameters"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_faulty_document_is_refused_by_the_field(document: Any, text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        parse_request(json.dumps(document).encode(), None, "m")


def test_raw_tensors_without_the_header_are_refused_with_its_name() -> None:
    for body in (HEAD + TAIL, HEAD + b"\0\1"):
        with pytest.raises(InvalidInput, match="need the header Inference-Header-Content-Length"):
            parse_request(body, None, "m")
    with pytest.raises(InvalidInput, match=r"unexpected content after document: [^:]+$"):
        parse_request(HEAD + b"{}", None, "m")


@pytest.mark.parametrize("header", ["", "0", "-1", "x", "1e1", "9999", "²", "9" * 5000], ids=lambda text: text[:5])
def test_a_faulty_header_is_refused(header: str) -> None:
    with pytest.raises(InvalidInput, match="Inference-Header-Content-Length"):
        parse_request(HEAD + TAIL, header, "m")


def test_bytes_that_nobody_claims_are_refused() -> None:
    with pytest.raises(InvalidInput, match="3 bytes more"):
        parse_request(HEAD + TAIL + b"abc", str(len(HEAD)), "m")


@given(st.binary(max_size=60), st.integers(0, 80), st.integers(0, 300))
def test_any_body_is_read_or_refused(noise: bytes, cut: int, position: int) -> None:
    body = bytearray(HEAD + TAIL)
    body[position : position + cut] = noise
    try:
        for tensor in parse_request(bytes(body), str(len(HEAD)), "m").inputs:
            tensor.as_numpy()
    except InvalidInput:
        pass


@given(st.lists(st.binary(max_size=9), max_size=6))
def test_byte_strings_have_the_length_in_front(values: list[bytes]) -> None:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    response = InferResponse("1", "m", [InferOutput.from_numpy("y", array)])
    body, headers = render_response(response, InferRequest("m", [], parameters={"binary_data_output": True}))
    assert body[int(headers[HEADER_LENGTH]) :] == b"".join(struct.pack("<I", len(value)) + value for value in values)
