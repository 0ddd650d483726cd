"""Outputs as classes: the largest values of each row, with their indices and labels.

Source: Triton's `extension_classification.md`. Pure; the data plane calls it for every transport.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mooring_api.v2 import Datatype
from mooring_runtime.datatypes import Array
from mooring_runtime.errors import InvalidInput
from mooring_runtime.infer_type import InferOutput, RequestedOutput

PARAMETER = "classification"
"""Of a requested output: how many classes of each row the client wants."""


def wants_classes(wishes: Sequence[RequestedOutput]) -> bool:
    """Whether any of the outputs is wanted as classes."""
    return any(PARAMETER in wish.parameters for wish in wishes)


def classified(
    outputs: Sequence[InferOutput], wishes: Sequence[RequestedOutput], labels: Mapping[str, Sequence[str]]
) -> list[InferOutput]:
    """The outputs that `wishes` name, in their order, as classes where that is wanted.

    Args:
        outputs: In the order of the wishes.
        wishes: What the client asked for.
        labels: Names of the classes, by output and then by index.

    Raises:
        InvalidInput: an output has no classes, or not so many can be asked for.
    """
    return [
        classify(output, wish.parameters[PARAMETER], labels.get(output.name, ()))
        if PARAMETER in wish.parameters
        else output
        for output, wish in zip(outputs, wishes, strict=True)
    ]


def classify(output: InferOutput, count: object, labels: Sequence[str]) -> InferOutput:
    """The `count` largest values of each row, as `VALUE:INDEX` or `VALUE:INDEX:LABEL`.

    A row is all that one element of the first dimension holds; a vector is one row, and its answer a vector again.

    Raises:
        InvalidInput: `count` is no whole number of at least 1, or the output holds no numbers.
    """
    if type(count) is not int or count < 1:
        raise InvalidInput(
            f"output '{output.name}': classification must be a whole number of at least 1, got {count!r}"
        )
    if output.datatype in (Datatype.BYTES, Datatype.BOOL):
        raise InvalidInput(f"output '{output.name}' is {output.datatype}: only numbers can be classified")
    array = output.as_numpy()
    rows = array.reshape(array.shape[0] if array.ndim > 1 else 1, -1) if array.size else array.reshape(0, 0)
    top = _descending(rows)[:, :count]
    pairs = zip(np.take_along_axis(rows, top, axis=1).ravel().tolist(), top.ravel().tolist(), strict=True)
    texts = np.empty(top.size, dtype=np.object_)
    spec = "f" if array.dtype.kind == "f" else "d"
    texts[:] = [f"{value:{spec}}:{index}{_label(index, labels)}".encode() for value, index in pairs]
    return InferOutput.from_numpy(output.name, texts.reshape(top.shape) if array.ndim > 1 else texts, Datatype.BYTES)


def _descending(rows: Array) -> Array:
    """Indices by value, largest first, the lower index first among equals, NaN last."""
    if rows.dtype.kind == "f":
        return np.argsort(-rows, axis=1, kind="stable")
    # Negating would overflow whole numbers: sort the mirrored rows upwards, and read the order from its end.
    return np.asarray(rows.shape[1] - 1 - np.argsort(rows[:, ::-1], axis=1, kind="stable")[:, ::-1])


def _label(index: int, labels: Sequence[str]) -> str:
    return f":{labels[index]}" if index < len(labels) and labels[index] else ""
