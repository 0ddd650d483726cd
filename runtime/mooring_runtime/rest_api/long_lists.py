"""v2 requests with long lists of numbers: read into arrays by simdjson, in a third of the time that lists take.

Whatever is not plainly such a request is left to orjson, which knows it better and has the words for its faults.
"""

import math
from functools import partial
from typing import Any

import numpy as np
import orjson
import simdjson

from mooring_api.v2 import Datatype
from mooring_runtime.datatypes import NUMPY_TYPES, Array
from mooring_runtime.infer_tensor import Numbers

LONG_BYTES = 64 * 1024
"""Shorter documents gain little."""
_SHORT_ROW = 16
"""Nested lists whose innermost are shorter take longer to walk through than to read."""

_ELEMENTS = {"f": ("d", np.float64), "i": ("i", np.int64), "u": ("u", np.uint64)}
"""What simdjson calls the numbers, by numpy's kinds; a whole number may stand for a float, but not the other way."""


class _Otherwise(Exception):
    """Something else is to read this."""


def read_long_lists(text: bytes) -> dict[str, Any] | None:
    """As `orjson.loads`, but `data` of inputs is `Numbers`; None for what orjson is to read."""
    if not text.startswith(b"{"):
        return None
    try:
        return _request(simdjson.Parser().parse(text), text)
    except (ValueError, TypeError, AttributeError, KeyError, RuntimeError, _Otherwise):  # what simdjson raises, too
        return None


def _request(document: Any, text: bytes) -> dict[str, Any]:
    items = document["inputs"]  # what has none is no request
    plain = {key: _plain(document[key]) for key in _keys(document) if key != "inputs"}
    inputs, lists = list[dict[str, Any]](), 1 + _lists_in(plain)
    for item in items:
        tensor = {key: _plain(item[key]) for key in _keys(item) if key != "data"}
        data = item["data"]
        lists += _lists_in(tensor) + _lists_of(_shape(data))
        numbers = _numbers(data, tensor["datatype"])
        inputs.append({**tensor, "data": Numbers(numbers, partial(_list, text, len(inputs)))})
    if text.count(b"[") != lists:  # a list among numbers, which simdjson has flattened; or a bracket in a text
        raise _Otherwise
    return {**plain, "inputs": inputs}


def _keys(mapping: Any) -> list[str]:
    """Of one that has each once: of several, simdjson takes the first, orjson and Python the last."""
    keys = list(mapping.keys())
    if len(set(keys)) < len(keys):
        raise _Otherwise
    return keys


def _plain(value: Any) -> Any:
    return orjson.loads(value.mini) if isinstance(value, simdjson.Object | simdjson.Array) else value


def _lists_in(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_lists_in, value.values()))
    return 1 + sum(map(_lists_in, value)) if isinstance(value, list) else 0


def _shape(data: Any) -> tuple[int, ...]:
    """Of regular nested lists; whether an innermost one holds nothing but numbers is not looked at."""
    first = data[0] if len(data) else None
    if not isinstance(first, simdjson.Array):
        return (len(data),)
    inner = _shape(first)
    if inner[-1] < _SHORT_ROW or any(_shape(row) != inner for row in data):
        raise _Otherwise
    return (len(data), *inner)


def _lists_of(shape: tuple[int, ...]) -> int:
    return sum(math.prod(shape[:depth]) for depth in range(len(shape)))


def _numbers(data: Any, datatype: Any) -> Array:
    try:
        kind, dtype = _ELEMENTS[NUMPY_TYPES[Datatype(datatype.upper())].kind]
    except KeyError:  # texts and truth values
        raise _Otherwise from None
    return np.frombuffer(data.as_buffer(of_type=kind), dtype=dtype)


def _list(text: bytes, position: int) -> list[Any]:
    data: list[Any] = orjson.loads(text)["inputs"][position]["data"]
    return data
