from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from mooring_runtime import InferOutput, RequestedOutput
from mooring_runtime.classification import classified, classify, wants_classes
from mooring_runtime.datatypes import Array
from mooring_runtime.errors import InvalidInput


def classes(array: Array, count: int, labels: tuple[str, ...] = ()) -> Any:
    return classify(InferOutput.from_numpy("y", array), count, labels).as_numpy().tolist()


def test_only_what_is_wanted_as_classes_becomes_so() -> None:
    outputs = [InferOutput.from_numpy(name, np.array([1, 3])) for name in "yz"]
    wishes = [RequestedOutput("y", {"classification": 1}), RequestedOutput("z")]
    assert wants_classes(wishes)
    assert not wants_classes(wishes[1:])
    made = classified(outputs, wishes, {"y": ["cat", "dog"]})
    assert [output.as_numpy().tolist() for output in made] == [[b"3:1:dog"], [1, 3]]


@pytest.mark.parametrize(
    ("array", "count", "expected"),
    [
        (np.array([0.25, 4.0, -1.0], np.float32), 2, [b"4.000000:1:b", b"0.250000:0:a"]),
        (np.array([[1, 2], [4, 3]], np.int8), 1, [[b"2:1:b"], [b"4:0:a"]]),
        (np.array([[5, 5, 5]], np.uint8), 3, [[b"5:0:a", b"5:1:b", b"5:2"]]),
        (np.array([-128, 127], np.int8), 9, [b"127:1:b", b"-128:0:a"]),
        (np.array([[[1, 2], [3, 0]]], np.int64), 2, [[b"3:2", b"2:1:b"]]),
        (np.array([np.nan, 1.0]), 2, [b"1.000000:1:b", b"nan:0:a"]),
        (np.zeros((0, 3), np.float32), 2, []),
    ],
    ids=["vector", "rows", "ties keep their order", "more than there are", "rows are flat", "nan is last", "no rows"],
)
def test_classes_are_value_index_and_label(array: Array, count: int, expected: Any) -> None:
    assert classes(array, count, ("a", "b")) == expected


@given(hnp.arrays(st.sampled_from([np.float32, np.int64, np.uint64]), st.tuples(st.integers(1, 3), st.integers(1, 9))))
def test_the_first_class_is_the_largest(array: Array) -> None:
    for row, (first, *_) in zip(array, classes(array, 1), strict=True):
        numbers = row[~np.isnan(row)] if row.dtype.kind == "f" else row
        assert not numbers.size or row[int(first.split(b":")[1])] == numbers.max()


@pytest.mark.parametrize("count", [0, -1, True, 1.0, "1"], ids=repr)
def test_a_faulty_count_is_refused(count: object) -> None:
    with pytest.raises(InvalidInput, match="output 'y': classification"):
        classify(InferOutput.from_numpy("y", np.zeros(2)), count, ())


def test_text_has_no_classes() -> None:
    with pytest.raises(InvalidInput, match="only numbers"):
        classify(InferOutput.from_numpy("y", np.array(["a"], dtype=object)), 1, ())
