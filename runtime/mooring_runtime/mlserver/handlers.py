"""`custom_handler`: methods of a model that answer HTTP requests of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__custom_handler__"


@dataclass(frozen=True)
class CustomHandler:
    """Where a method answers."""

    rest_path: str
    rest_method: str = "POST"


def custom_handler(rest_path: str, rest_method: str = "POST") -> Callable[[F], F]:
    """Let a method of a model answer requests at `rest_path`, its arguments taken as FastAPI takes a function's."""

    def mark(method: F) -> F:
        setattr(method, _MARK, CustomHandler(rest_path, rest_method))
        return method

    return mark


def get_custom_handlers(model: object) -> list[tuple[CustomHandler, Callable[..., Any]]]:
    """The methods of `model` that answer requests, and where they do."""
    kind = type(model)
    marked = [(name, getattr(getattr(kind, name, None), _MARK, None)) for name in dir(kind)]
    return [(handler, getattr(model, name)) for name, handler in marked if isinstance(handler, CustomHandler)]
