"""What a repository asks for models, and how it tells of those that it does not get."""

from collections.abc import Mapping
from typing import Protocol

from mooring_runtime.errors import ModelLoadFailed, ServingError
from mooring_runtime.registry.servable import Servable


class ModelSource(Protocol):
    """Where models come from."""

    @property
    def versioned(self) -> bool:
        """Whether loads are counted as versions, or models have no version at all."""

    async def open(self, name: str) -> Servable | Mapping[str | None, Servable]:
        """Load and warm up the model, or each of the versions that it comes with, the newest last.

        Raises:
            ModelNotFound: the source has none of that name.
            ModelLoadFailed: it has, but it cannot be served.
        """


def load_failure(name: str, exc: Exception) -> ServingError:
    """A failed load in words that name the model; what is no domain error came out of a model's own code."""
    if isinstance(exc, ModelLoadFailed):
        return ModelLoadFailed(f"Model with name {name} could not be loaded: {exc.reason}", exc.advice)
    if isinstance(exc, ServingError):
        return exc
    return ModelLoadFailed(
        f"Model with name {name} could not be loaded: {type(exc).__name__} : {exc}", "See the server's log."
    )
