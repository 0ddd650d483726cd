import json
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import orjson
import pytest
from hypothesis import given

from mooring_api.v2 import Datatype
from mooring_runtime.codec import check_shape, decode_json, decode_raw, encode_json, encode_raw
from mooring_runtime.datatypes import NUMPY_TYPES, Array, datatype_of, parse_datatype
from mooring_runtime.errors import InvalidInput

NUMBERS = [datatype for datatype in Datatype if datatype is not Datatype.BYTES]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[Datatype, Array]:
    datatype = draw(st.sampled_from(list(Datatype)))
    shape = draw(SHAPES)
    if datatype is Datatype.BYTES:
        count = int(np.prod(shape, dtype=int))
        array = np.empty(count, dtype=object)
        array[:] = draw(st.lists(st.binary(max_size=5), min_size=count, max_size=count))
        return datatype, array.reshape(shape)
    array = draw(hnp.arrays(NUMPY_TYPES[datatype], shape))
    if datatype is Datatype.BF16:  # only what sixteen bits can say
        array = (array.view("<u4") & np.uint32(0xFFFF0000)).view("<f4") if array.size else array
    return datatype, array


def same(left: Array, right: Array) -> bool:
    if left.dtype.kind == "f":
        return left.shape == right.shape and bool(np.array_equal(left, right, equal_nan=True))
    return left.shape == right.shape and left.tolist() == right.tolist()


@given(tensors())
def test_what_is_written_raw_is_read_back(tensor: tuple[Datatype, Array]) -> None:
    datatype, array = tensor
    raw = bytes(encode_raw(datatype, array))
    assert same(decode_raw("x", datatype, array.shape, raw), array)


@given(tensors())
def test_what_is_written_as_json_is_read_back(tensor: tuple[Datatype, Array]) -> None:
    datatype, array = tensor
    if datatype is Datatype.BYTES:
        array = np.array([element.hex() for element in array.ravel()], dtype=object).reshape(array.shape)
    if array.dtype.kind == "f":
        array = np.where(np.isinf(array), array.dtype.type(0), array)  # JSON knows no infinity
    text = orjson.dumps(encode_json("x", datatype, array), option=orjson.OPT_SERIALIZE_NUMPY)
    assert same(decode_json("x", datatype, array.shape, json.loads(text)), array)


def test_large_and_small_unsigned_integers_keep_their_digits_side_by_side() -> None:
    values = [2**63 + 1, 0, 2**64 - 1]
    assert decode_json("x", Datatype.UINT64, [3], values).tolist() == values
    with pytest.raises(InvalidInput):
        decode_json("x", Datatype.UINT64, [2], [2**63 + 1, -1])
    with pytest.raises(InvalidInput):
        decode_json("x", Datatype.UINT64, [2], [2**63 + 1, 0.5])


@given(st.binary(max_size=40), st.sampled_from(list(Datatype)), SHAPES)
def test_raw_bytes_of_a_client_are_read_or_refused_by_name(
    raw: bytes, datatype: Datatype, shape: tuple[int, ...]
) -> None:
    try:
        array = decode_raw("x", datatype, shape, raw)
    except InvalidInput as exc:
        refusal = str(exc)
    else:
        assert array.shape == shape
        return
    assert "'x'" in refusal


@pytest.mark.parametrize(("datatype", "beyond"), [(Datatype.UINT64, 2.0**64), (Datatype.INT64, 2.0**63)])
def test_floats_next_to_the_largest_number_are_not_wrapped(datatype: Datatype, beyond: float) -> None:
    with pytest.raises(InvalidInput, match=f"not {datatype}"):
        decode_json("x", datatype, (1,), [beyond])


@pytest.mark.parametrize("datatype", [Datatype.INT8, Datatype.INT64, Datatype.UINT64])
def test_truth_values_are_whole_numbers(datatype: Datatype) -> None:
    assert decode_json("x", datatype, (2,), [True, False]).tolist() == [1, 0]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3), st.lists, max_leaves=8
)


@given(st.lists(JSON_VALUES, max_size=5), st.sampled_from(list(Datatype)), SHAPES)
def test_json_data_of_a_client_is_read_or_refused_by_name(
    data: list[Any], datatype: Datatype, shape: tuple[int, ...]
) -> None:
    try:
        array = decode_json("x", datatype, shape, data)
    except InvalidInput as exc:
        refusal = str(exc)
    else:
        assert array.shape == shape
        assert array.dtype == NUMPY_TYPES[datatype]
        return
    assert "'x'" in refusal


@pytest.mark.parametrize("datatype", NUMBERS, ids=str)
def test_numbers_are_read_without_a_copy(datatype: Datatype) -> None:
    raw = bytes(8 * 4)
    array = decode_raw(
        "x", datatype, (len(raw) // (2 if datatype is Datatype.BF16 else NUMPY_TYPES[datatype].itemsize),), raw
    )
    assert np.shares_memory(array, np.frombuffer(raw, np.uint8)) is (datatype is not Datatype.BF16)


@pytest.mark.parametrize(
    ("value", "bits"),
    [
        (1.0, 0x3F80),
        (1.00390625, 0x3F80),
        (1.01171875, 0x3F82),
        (-2.0, 0xC000),
        (3.4e38, 0x7F80),
        (float("nan"), 0x7FC0),
    ],
    ids=[
        "exact",
        "tie goes to even below",
        "tie goes to even above",
        "negative",
        "overflows to infinity",
        "nan stays nan",
    ],
)
def test_bf16_rounds_to_nearest_even(value: float, bits: int) -> None:
    raw = bytes(encode_raw(Datatype.BF16, np.array([value], np.float32)))
    assert int.from_bytes(raw, "little") == bits


@pytest.mark.parametrize(
    ("datatype", "data", "expected"),
    [
        (Datatype.FP32, [[1, 2.5], [None, 3]], [1, 2.5, float("nan"), 3]),
        (Datatype.INT8, [1.0, -128], [1, -128]),
        (Datatype.BOOL, [True, 0, 1], [True, False, True]),
        (Datatype.UINT64, [2**64 - 1], [2**64 - 1]),
    ],
    ids=["nested, null is nan", "1.0 is a whole number", "0 and 1 are truth values", "64 bits"],
)
def test_json_numbers_become_the_datatype(datatype: Datatype, data: list[Any], expected: list[Any]) -> None:
    array = decode_json("x", datatype, (len(expected),), data)
    np.testing.assert_array_equal(array, np.array(expected, NUMPY_TYPES[datatype]))


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        (Datatype.INT8, [1.5]),
        (Datatype.INT8, [128]),
        (Datatype.UINT8, [-1]),
        (Datatype.INT32, ["1"]),
        (Datatype.FP32, ["a"]),
        (Datatype.FP32, [[1], [1, 2]]),
        (Datatype.FP32, [{}]),
        (Datatype.BOOL, [2]),
        (Datatype.INT64, [2**63]),
        (Datatype.INT64, [None]),
        (Datatype.BYTES, [1]),
    ],
    ids=str,
)
def test_json_values_that_do_not_fit_are_refused(datatype: Datatype, data: list[Any]) -> None:
    with pytest.raises(InvalidInput, match="input 'x'"):
        decode_json("x", datatype, (1,), data)


def test_bytes_that_are_no_text_have_no_json_form() -> None:
    with pytest.raises(InvalidInput, match="binary_data"):
        encode_json("x", Datatype.BYTES, np.array([b"\xff"], dtype=object))


def test_datatypes_are_read_in_either_case_and_unknown_ones_named() -> None:
    assert parse_datatype("fp32", "x") is Datatype.FP32
    with pytest.raises(InvalidInput, match="input 'x': unknown datatype 'FP8'"):
        parse_datatype("FP8", "x")


def test_arrays_without_a_datatype_are_refused() -> None:
    assert datatype_of(np.array([1, 2], dtype=">i4")) is Datatype.INT32
    with pytest.raises(InvalidInput, match="complex128"):
        datatype_of(np.array([1j]))


@pytest.mark.parametrize("shape", [[0, 10**30], [1] * 33, [2**41], [-1], [1.0], "1", [True]], ids=str)
def test_shapes_that_no_tensor_has_are_refused(shape: object) -> None:
    with pytest.raises(InvalidInput, match="input 'x': shape"):
        check_shape("x", shape)
