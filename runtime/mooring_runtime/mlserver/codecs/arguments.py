"""`decode_args`: a predict that takes values by the names of its inputs, and answers values."""

import functools
import types as python_types
from collections.abc import Awaitable, Callable
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from mooring_runtime.mlserver.codecs.base import InputCodec
from mooring_runtime.mlserver.codecs.lookup import input_codec_for, input_codec_of
from mooring_runtime.mlserver.errors import CodecError
from mooring_runtime.mlserver.types import InferenceRequest, InferenceResponse


def decode_args(
    predict: Callable[..., Awaitable[Any]],
) -> Callable[[Any, InferenceRequest], Awaitable[InferenceResponse]]:
    """Let `predict` take each input decoded by its annotation; a tuple that it answers is `output-0`, `output-1`, ...

    Arguments annotated as optional are None where there is no such input.

    Raises:
        CodecNotFound: an annotation names no type that there is a codec for.
    """
    hints = get_type_hints(predict)
    hints.pop("return", None)
    codecs = {name: _argument(hint) for name, hint in hints.items()}

    @functools.wraps(predict)
    async def decoded(self: Any, request: InferenceRequest) -> InferenceResponse:
        inputs = {tensor.name: tensor for tensor in request.inputs}
        if missing := [name for name, (_, optional) in codecs.items() if not optional and name not in inputs]:
            raise CodecError(f"Model with name {self.name} needs the inputs {', '.join(missing)}")
        values = {
            name: codec.decode_input(inputs[name]) if name in inputs else None for name, (codec, _) in codecs.items()
        }
        answer = await predict(self, **values)
        outputs = answer if isinstance(answer, tuple) else (answer,)
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[input_codec_of(value).encode_output(f"output-{i}", value) for i, value in enumerate(outputs)],
        )

    return decoded


def _argument(hint: Any) -> tuple[type[InputCodec], bool]:
    """The codec of an annotation, and whether the argument may be left out."""
    optional = get_origin(hint) in (Union, python_types.UnionType) and type(None) in get_args(hint)
    if optional:
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is np.ndarray:  # npt.NDArray[...]
        hint = np.ndarray
    if get_origin(hint) is list:  # typing.List, as well
        hint = list[get_args(hint)[0]]  # type: ignore[misc] # made at run time
    return input_codec_for(hint), optional
