"""`ModelRepository`: where a server of user code has its models; a subclass fetches more of them on a load request."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mooring_api import names
from mooring_runtime.model import Model


class ModelRepository:
    """Models by name. Override `load`, or `load_model`, sync or async, to make models on request.

    Args:
        models_dir: The folder whose subfolders `load_models` takes for models.
    """

    def __init__(self, models_dir: str | Path = names.MODEL_DIR) -> None:
        self.models: dict[str, Model] = {}
        self.models_dir = str(models_dir)

    def set_models_dir(self, models_dir: str | Path) -> None:
        """Take another folder."""
        self.models_dir = str(models_dir)

    def get_model(self, name: str) -> Model | None:
        """The model of that name, or None."""
        return self.models.get(name)

    def get_models(self) -> dict[str, Model]:
        """All models by name, in the order in which they came; the repository's own dict."""
        return self.models

    async def is_model_ready(self, name: str) -> bool:
        """Whether there is such a model and it can answer."""
        model = self.get_model(name)
        return model is not None and await model.healthy()

    def update(self, model: Model, name: str | None = None) -> None:
        """Take `model`, in place of the one that has its name."""
        self.models[name or model.name] = model

    def load_models(self) -> None:
        """Call `load_model`, where it is not async, for each subfolder of the folder."""
        for folder in sorted(path for path in Path(self.models_dir).iterdir() if path.is_dir()):
            self.load_model(folder.name)

    def load(self, name: str) -> Any:
        """Make the model and `update` the repository with it; `load_model` by default."""
        return self.load_model(name)

    def load_model(self, name: str) -> Any:
        """To be overridden; does nothing by default."""

    def unload(self, name: str) -> None:
        """Let the model go.

        Raises:
            KeyError: there is none of that name.
        """
        del self.models[name]

    @property
    def makes_models(self) -> bool:
        """Whether a subclass makes models on request."""
        kind = type(self)
        return kind.load is not ModelRepository.load or kind.load_model is not ModelRepository.load_model


def repository_of(models: "ModelRepository | Mapping[str, Model] | Iterable[Model]") -> ModelRepository:
    """The repository itself, or a new one with these models."""
    if isinstance(models, ModelRepository):
        return models
    repository = ModelRepository()
    repository.models = dict(models) if isinstance(models, Mapping) else {model.name: model for model in models}
    return repository
