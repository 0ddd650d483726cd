import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from mooring_api.v2 import Datatype
from mooring_runtime import InferRequest
from mooring_runtime.errors import InvalidInput
from mooring_runtime.registry.servable import TensorMetadata
from mooring_runtime.rest_api.raw_body import is_raw, raw_request

OCTETS = "application/octet-stream"


def read(body: bytes, *declared: tuple[str, tuple[int, ...]], content_type: str = OCTETS) -> InferRequest:
    inputs = [TensorMetadata(f"x{index}", datatype, shape) for index, (datatype, shape) in enumerate(declared)]
    return raw_request(body, content_type, "m", inputs)


@pytest.mark.parametrize(
    ("header", "content_type", "raw"),
    [
        ("0", OCTETS, True),
        ("0", "", True),
        (None, "image/jpeg", True),
        (None, "Image/PNG; q=1", True),
        ("5", "image/jpeg", False),
        (None, OCTETS, False),
        (None, "application/json", False),
    ],
)
def test_what_is_raw(header: str | None, content_type: str, raw: bool) -> None:
    assert is_raw(header, content_type) is raw


@pytest.mark.parametrize(
    ("shape", "made"),
    [((-1,), [6]), ((-1, 3), [2, 3]), ((2, 3), [2, 3]), ((-1, -1), [1, 6]), ((-1, 2, -1), [1, 2, 3])],
    ids=str,
)
def test_numbers_take_the_declared_shape(shape: tuple[int, ...], made: list[int]) -> None:
    (tensor,) = read(np.arange(6, dtype="<f4").tobytes(), ("FP32", shape)).inputs
    assert (tensor.name, tensor.as_numpy().shape) == ("x0", tuple(made))
    assert tensor.as_numpy().ravel().tolist() == list(range(6))


@pytest.mark.parametrize(
    "declared", [[], [("BYTES", (-1,))], [("BYTES", (-1, 1))]], ids=["nothing", "vector", "matrix"]
)
def test_bytes_are_one_element(declared: list[tuple[str, tuple[int, ...]]]) -> None:
    (tensor,) = read(b"\xff\xd8", *declared).inputs
    assert tensor.data == [b"\xff\xd8"]
    assert tensor.as_numpy().ndim == (len(declared[0][1]) if declared else 1)


def test_an_image_is_one_element_whatever_is_declared() -> None:
    request = read(b"\xff\xd8", ("FP32", (-1, 3, 224, 224)), content_type="image/jpeg")
    assert [(tensor.name, tensor.datatype, tensor.data) for tensor in request.inputs] == [
        ("x0", Datatype.BYTES, [b"\xff\xd8"])
    ]
    assert not request.use_binary_outputs


def test_raw_data_get_a_raw_answer() -> None:
    assert read(b"\0\0\0\0", ("FP32", (-1,))).use_binary_outputs


@pytest.mark.parametrize(
    ("body", "declared", "text"),
    [
        (b"", [("FP32", (1,)), ("FP32", (1,))], "takes 2: x0, x1"),
        (b"123", [("FP32", (-1,))], "'x0': 3 bytes are no multiple of 4"),
        (b"1234", [("FP32", (2,))], "'x0': FP32 of shape"),
        (b"1234", [("BYTES", (2,))], "'x0': a raw body is one element"),
        (b"1234", [("FP32", (-1, 0))], "'x0': FP32 of shape"),
    ],
    ids=["inputs", "multiple", "size", "elements", "empty"],
)
def test_data_that_do_not_fit_are_refused(body: bytes, declared: list[tuple[str, tuple[int, ...]]], text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        read(body, *declared)


@given(
    st.binary(max_size=40),
    st.sampled_from(list(Datatype)),
    st.lists(st.integers(-1, 4), max_size=4).map(tuple),
)
def test_any_body_is_read_or_refused(body: bytes, datatype: Datatype, shape: tuple[int, ...]) -> None:
    try:
        (tensor,) = read(body, (datatype, shape)).inputs
    except InvalidInput:
        return
    assert all(want in (-1, got) for want, got in zip(shape, tensor.as_numpy().shape, strict=True))
