"""pandas, where the user has it: the runtime itself does without, and imports it only for who wants a DataFrame."""

import sys
from collections.abc import Sequence
from typing import Any

from mooring_runtime.errors import NotSupported
from mooring_runtime.infer_tensor import InferTensor


def frame(data: Any) -> Any:
    """A pandas DataFrame.

    Raises:
        NotSupported: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as exc:
        raise NotSupported("This needs pandas: add it to the model's requirements.") from exc
    return pandas.DataFrame(data)


def is_frame(value: Any) -> bool:
    """Whether it is a DataFrame."""
    return is_frame_type(type(value))


def is_frame_type(kind: Any) -> bool:
    """Whether it is the type of DataFrames, or one derived from it. Nobody has it who has not imported pandas."""
    pandas: Any = sys.modules.get("pandas")
    return pandas is not None and isinstance(kind, type) and issubclass(kind, pandas.DataFrame)


def frame_of(tensors: Sequence[InferTensor]) -> Any:
    """The tensors as the columns of a DataFrame; BYTES as text.

    Raises:
        NotSupported: pandas is not installed.
    """
    columns = {tensor.name: tensor.as_numpy().ravel().tolist() for tensor in tensors}
    return frame(
        {name: [each.decode() if isinstance(each, bytes) else each for each in data] for name, data in columns.items()}
    )
