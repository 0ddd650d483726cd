"""pandas, where the user has it: the runtime itself does without."""

from typing import Any

from mooring_runtime.errors import NotSupported


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
