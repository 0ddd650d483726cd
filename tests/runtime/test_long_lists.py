"""What simdjson reads is what orjson reads, or is left to it."""

import json
import pickle
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_runtime import InferInput
from mooring_runtime.datatypes import NUMPY_TYPES
from mooring_runtime.errors import InvalidInput
from mooring_runtime.infer_tensor import Numbers
from mooring_runtime.rest_api.long_lists import read_long_lists
from mooring_runtime.rest_api.v2_wire import parse_request

ROW = list(range(16))


def body(*inputs: dict[str, Any], **others: Any) -> bytes:
    return json.dumps({**others, "inputs": list(inputs)}).encode()


def tensor(data: Any, datatype: str = "FP32", shape: Any = (2,), **others: Any) -> dict[str, Any]:
    return {"name": "x", "shape": list(shape), "datatype": datatype, "data": data, **others}


def plain(document: Any) -> Any:
    """With lists again."""
    for item in document["inputs"]:
        assert isinstance(item["data"], Numbers)
        item["data"] = item["data"].to_list()
    return document


@pytest.mark.parametrize(
    "text",
    [
        body(tensor([1.5, 2])),
        body(tensor([1, -2], "INT8"), tensor([[0.5] * 16] * 3, "FP64", (3, 16)), id="7", parameters={"a": [1, [2]]}),
        body(tensor([2**64 - 1, 0], "UINT64")),
        body(tensor([], "FP16", (0,)), outputs=[{"name": "y", "parameters": {"binary_data": True}}]),
        body(tensor([[ROW, ROW], [ROW, ROW]], "int32", (2, 2, 16), parameters={"content_type": "np"})),
    ],
    ids=["one", "several", "large", "empty", "nested"],
)
def test_long_lists_become_arrays_of_the_same_numbers(text: bytes) -> None:
    document = read_long_lists(text)
    assert document is not None
    for item, expected in zip(document["inputs"], orjson.loads(text)["inputs"], strict=True):
        np.testing.assert_array_equal(item["data"].array, np.ravel(expected["data"]))
    assert plain(document) == orjson.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"[1]",
        b"7",
        b'{"inputs": [',
        b' {"inputs": []}',
        b'{"outputs": []}',
        b'{"inputs": {"a": 1}}',
        b'{"inputs": [[1]]}',
        b'{"inputs": 1}',
        b'{"inputs": [], "inputs": []}',
        body(tensor([1, None])),
        body(tensor([1, "2"])),
        body(tensor([1, True])),
        body(tensor([True, False], "BOOL")),
        body(tensor(["a", "b"], "BYTES")),
        body(tensor([1.5, 2], "INT64")),
        body(tensor([-1, 2], "UINT64")),
        body(tensor([1, 2], "WORD")),
        body(tensor([1, 2], 7)),  # type: ignore[arg-type]
        body({"name": "x", "data": [1]}),
        body({"name": "x", "shape": [1], "datatype": "FP32"}),
        body(tensor([1, [2]])),
        body(tensor([[1, 2], [3]])),
        body(tensor([[1, 2], [3, 4]])),
        body(tensor([ROW, [ROW] * 16], shape=(272,))),
        body(tensor([[ROW] * 16, ROW], shape=(272,))),
        body(tensor([ROW, 1], shape=(17,))),
        body(tensor([2**64, 1])),
        body(tensor([2**70, 1])),
        body(tensor([-(2**70), 1])),
        body(tensor([1, 2]), id="["),
        body(tensor(2)),
        body(tensor({"a": 1})),
        b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [NaN]}]}',
        b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1], "data": [2]}]}',
        b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": ' + b"[" * 900 + b"]" * 900 + b"}]}",
    ],
)  # fmt: skip
def test_whatever_else_is_left_to_orjson(text: bytes) -> None:
    assert read_long_lists(text) is None


NUMBER = st.integers(-(2**70), 2**70) | st.floats() | st.booleans() | st.none() | st.text(max_size=3)


@given(
    datatype=st.sampled_from([each.value for each in NUMPY_TYPES]),
    data=st.lists(NUMBER, max_size=6) | st.lists(st.integers(-3, 300), max_size=6) | st.lists(st.floats(width=32)),
    shape=st.lists(st.integers(0, 3), max_size=2),
    others=st.dictionaries(st.text(max_size=2), st.recursive(NUMBER, st.lists, max_leaves=4), max_size=2),
)
def test_both_ways_read_the_same(datatype: str, data: Any, shape: Any, others: Any) -> None:
    text = body({**others, **tensor(data, datatype, shape)})
    document = read_long_lists(text)
    if document is None:
        return
    item, expected = document["inputs"][0], orjson.loads(text)["inputs"][0]
    fast, slow = (InferInput("x", shape, datatype, each["data"]) for each in (item, expected))
    assert result(fast) == result(slow)
    assert plain(document) == orjson.loads(text)


def result(read: InferInput) -> bytes | str:
    try:
        return read.as_numpy().tobytes()
    except InvalidInput as exc:
        return str(exc)


def test_a_long_request_is_read_this_way_and_its_lists_are_there_as_they_were_sent() -> None:
    numbers = [index / 7 for index in range(8192)] + [3]
    request = parse_request(body(tensor(numbers, "FP32", (len(numbers),))), None, "m")
    (read,) = request.inputs
    held = [read.is_array]
    np.testing.assert_array_equal(read.as_numpy(), np.array(numbers, np.float32))
    copy = pickle.loads(pickle.dumps(read))
    assert read.data == copy.data == numbers
    assert type(read.data[-1]) is int
    held.append(read.is_array)
    assert held == [True, False]
    assert read == copy
