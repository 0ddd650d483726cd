"""Fields that a type does not have: misspelt ones, which would silently have no effect."""

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from mooring_api.base import ApiModel

Loc = tuple[int | str, ...]


def unknown_fields(model: type[ApiModel], value: object, at: Loc = ()) -> Iterator[tuple[Loc, str]]:
    """Places in `value` that `model` does not know, each with a hint (`; did you mean ...?`) or an empty text."""
    if not isinstance(value, dict):
        return
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    for key, inner in value.items():
        if key not in fields:
            close = difflib.get_close_matches(str(key), fields, n=1)
            yield (*at, key), f"; did you mean {close[0]}?" if close else ""
            continue
        for nested in _models_in(fields[key]):
            if isinstance(inner, list):
                for index, item in enumerate(inner):
                    yield from unknown_fields(nested, item, (*at, key, index))
            else:
                yield from unknown_fields(nested, inner, (*at, key))


def _models_in(annotation: Any) -> Iterator[type[ApiModel]]:
    """The models inside of `X | None`, `tuple[X, ...]` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
