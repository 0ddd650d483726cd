"""Datatypes of the v2 protocol to numpy's and back, under KServe's names."""

from typing import Any

import numpy as np

from mooring_runtime.datatypes import NUMPY_TYPES, datatype_of, parse_datatype


def to_np_dtype(datatype: str) -> type[Any]:
    """The numpy type that holds elements of `datatype`.

    Raises:
        InvalidInput: there is no such datatype.
    """
    return NUMPY_TYPES[parse_datatype(datatype, "")].type


def from_np_dtype(dtype: Any) -> str:
    """The datatype whose elements `dtype` holds.

    Raises:
        InvalidInput: the protocol has no such type.
    """
    return str(datatype_of(np.empty(0, dtype)))
