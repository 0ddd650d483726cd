import pickle

import numpy as np
import pytest

from mooring_runtime import InferInput, InferOutput, InferRequest, InferResponse, RequestedOutput
from mooring_runtime.errors import InvalidInput
from mooring_runtime.infer_type import deserialize_bytes_tensor, serialize_byte_tensor


def test_a_tensor_from_numpy_from_a_list_and_from_raw_bytes_are_equal() -> None:
    array = np.array([[1, 2], [3, 4]], np.int16)
    from_list = InferInput("x", [2, 2], "INT16", [[1, 2], [3, 4]])
    from_raw = InferInput("x", [2, 2], "INT16", raw=array.tobytes())
    from_numpy = InferInput("x", [2, 2], "INT16", array)
    assert from_list == from_raw == from_numpy
    assert InferOutput("x", [2, 2], "INT16", array) != from_numpy


def test_raw_tensors_show_their_values_as_data() -> None:
    """KServe shows an empty list here (spec: runtime.md, fact 16)."""
    assert InferInput("x", [2], "FP32", raw=np.array([1, 2], "<f4").tobytes()).data == [1.0, 2.0]
    assert InferInput("x", [1], "BYTES", raw=b"\x02\x00\x00\x00\xff\xd8").data == [b"\xff\xd8"]


def test_set_data_from_numpy_checks_type_and_shape() -> None:
    tensor = InferOutput("x", [2], "FP32")
    tensor.set_data_from_numpy(np.array([1, 2], np.float32))
    assert tensor.is_raw
    assert tensor.data == [1.0, 2.0]
    with pytest.raises(InvalidInput, match="float64"):
        tensor.set_data_from_numpy(np.array([1.0, 2.0]))
    with pytest.raises(InvalidInput, match=r"shape \[3\], expected \[2\]"):
        tensor.set_data_from_numpy(np.zeros(3, np.float32))


def test_set_data_from_numpy_takes_bf16_as_the_array_that_holds_it() -> None:
    tensor = InferOutput("x", [2], "BF16")
    tensor.set_data_from_numpy(InferInput("x", [2], "BF16", raw=b"\xc0\x3f\x00\xc0").as_numpy())
    assert tensor.as_raw() == b"\xc0\x3f\x00\xc0"


@pytest.mark.parametrize("shape", [[-1], [1.0], ["2"], [True]], ids=str)
def test_shapes_are_whole_numbers(shape: list[int]) -> None:
    with pytest.raises(InvalidInput, match="input 'x': shape"):
        InferInput("x", shape, "FP32", [1])


def test_an_array_of_another_size_does_not_fit() -> None:
    with pytest.raises(InvalidInput, match="'x'"):
        InferInput("x", [3], "FP32", np.zeros(2, np.float32)).as_numpy()


def test_outputs_are_binary_as_the_question_was() -> None:
    raw = InferInput("x", [0], "FP32", raw=b"")
    assert InferRequest("m", [raw], from_grpc=True).use_binary_outputs
    assert not InferRequest("m", [raw]).use_binary_outputs
    assert InferRequest("m", [], parameters={"binary_data_output": True}).use_binary_outputs
    assert RequestedOutput("y", {"binary_data": False}).binary_data is False
    assert RequestedOutput("y", {"binary_data": "yes"}).binary_data is None


def test_tensors_are_found_by_name() -> None:
    tensor = InferInput("x", [1], "FP32", [1])
    request = InferRequest("m", [tensor])
    assert request.get_input_by_name("x") is tensor
    assert request.get_input_by_name("y") is None


def test_a_message_is_read_by_the_class_and_told_by_the_object() -> None:
    request = InferRequest("m", [InferInput("x", [1], "INT64", [7])], "1", request_outputs=[RequestedOutput("y")])
    back = InferRequest.from_grpc(request.to_grpc())
    assert (request.from_grpc, back.from_grpc) == (False, True)
    request.from_grpc = True
    assert back == request
    response = InferResponse("1", "m", [InferOutput("y", [1], "INT64", [7])])
    assert InferResponse.from_grpc(response.to_grpc()).outputs == response.outputs


def test_requests_and_responses_are_equal_where_all_they_say_is() -> None:
    def request(data: int) -> InferRequest:
        return InferRequest("m", [InferInput("x", [1], "INT64", [data])], "1", parameters={"a": 1})

    def response(data: int) -> InferResponse:
        return InferResponse("1", "m", [InferOutput("x", [1], "INT64", [data])])

    assert request(1) == request(1) != request(2)
    assert response(1) == response(1) != response(2)
    assert request(1).to_dict() == {
        "id": "1", "model_name": "m", "parameters": {"a": 1}, "from_grpc": False,
        "inputs": [{"name": "x", "shape": [1], "datatype": "INT64", "data": [1], "parameters": {}}],
    }  # fmt: skip
    assert response(1).to_dict()["outputs"] == request(1).to_dict()["inputs"]


def test_data_that_is_set_takes_the_place_of_what_there_was() -> None:
    tensor = InferInput("x", [1], "INT64", raw=b"\1\0\0\0\0\0\0\0")
    assert tensor.as_numpy().tolist() == [1]
    tensor.data = [5]
    assert (tensor.as_numpy().tolist(), tensor.is_raw) == ([5], False)


def test_byte_strings_are_written_one_after_another_and_read_again() -> None:
    array = np.array([[b"ab", "ä"]], np.object_)
    raw = serialize_byte_tensor(array).item()
    assert raw == b"\2\0\0\0ab\2\0\0\0\xc3\xa4"
    assert deserialize_bytes_tensor(raw).tolist() == [b"ab", "ä".encode()]
    assert deserialize_bytes_tensor(b"").tolist() == []
    with pytest.raises(InvalidInput, match="BYTES end"):
        deserialize_bytes_tensor(raw[:-1])


@pytest.mark.parametrize("raw", [False, True])
def test_requests_and_responses_can_be_pickled(raw: bool) -> None:
    tensor = InferInput("x", [1], "INT64", [7])
    if raw:
        tensor = InferInput("x", [1], "INT64", raw=memoryview(bytes(tensor.as_raw())))
        tensor.as_numpy()
    request = InferRequest("m", [tensor], "1")
    assert pickle.loads(pickle.dumps(request)) == request
