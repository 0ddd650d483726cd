"""`decode_args`: a predict that takes values by the names of its inputs, and answers values."""

import functools
import types as python_types
from collections.abc import Awaitable, Callable
from typing import Any, Union, get_args, get_origin, get_type_hints

from mooring_runtime.mlserver.codecs.base import Codec, InputCodec, RequestCodec
from mooring_runtime.mlserver.codecs.lookup import INPUT_CODECS, REQUEST_CODECS
from mooring_runtime.mlserver.errors import CodecError, CodecNotFound
from mooring_runtime.mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

Argument = tuple[type[Codec], bool]
"""How an argument is decoded, and whether it may be left out."""


def decode_args(
    predict: Callable[..., Awaitable[Any]],
) -> Callable[[Any, InferenceRequest], Awaitable[InferenceResponse]]:
    """Let `predict` take each input decoded by its annotation; a tuple that it answers is `output-0`, `output-1`, ...

    An argument of a type that stands for a whole request (a DataFrame) takes the inputs that no other argument names,
    and an answer of such a type is as many outputs as it has. Arguments annotated as optional are None where there is
    no such input.

    Raises:
        CodecNotFound: an annotation names no type that there is a codec for.
    """
    hints = get_type_hints(predict)
    hints.pop("return", None)
    arguments = {name: _argument(name, hint) for name, hint in hints.items()}

    @functools.wraps(predict)
    async def decoded(self: Any, request: InferenceRequest) -> InferenceResponse:
        answer = await predict(self, **_values(self.name, request, arguments))
        values = answer if isinstance(answer, tuple) else (answer,)
        outputs = [output for i, value in enumerate(values) for output in _outputs(f"output-{i}", value)]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)

    return decoded


def _values(model: str, request: InferenceRequest, arguments: dict[str, Argument]) -> dict[str, Any]:
    named = {tensor.name: tensor for tensor in request.inputs if tensor.name in arguments}
    others = [tensor for tensor in request.inputs if tensor.name not in arguments]
    values: dict[str, Any] = {}
    missing = []
    for name, (codec, optional) in arguments.items():
        if issubclass(codec, RequestCodec) and others:
            values[name] = codec.decode_request(InferenceRequest(inputs=others))
        elif issubclass(codec, InputCodec) and name in named:
            values[name] = codec.decode_input(named[name])
        elif optional:
            values[name] = None
        else:
            missing.append(name)
    if missing:
        raise CodecError(f"Model with name {model} needs the inputs {', '.join(missing)}")
    return values


def _outputs(name: str, value: Any) -> list[ResponseOutput]:
    if codec := INPUT_CODECS.of_value(value):
        return [codec.encode_output(name, value)]
    if of_request := REQUEST_CODECS.of_value(value):
        return of_request.encode_response("", value).outputs
    raise CodecNotFound(f"There is no codec for a {type(value).__name__}")


def _argument(name: str, hint: Any) -> Argument:
    optional = get_origin(hint) in (Union, python_types.UnionType) and type(None) in get_args(hint)
    if optional:
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is list:  # typing.List, as well
        hint = list[get_args(hint)[0]]  # type: ignore[misc] # made at run time
    codec = INPUT_CODECS.of_hint(hint) or REQUEST_CODECS.of_hint(hint)
    if codec is None:
        raise CodecNotFound(f"There is no codec for the annotation {hint} of argument {name}")
    return codec, optional
