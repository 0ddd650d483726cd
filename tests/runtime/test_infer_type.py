import numpy as np
import pytest

from mooring_runtime import InferInput, InferOutput, InferRequest, RequestedOutput
from mooring_runtime.errors import InvalidInput


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
