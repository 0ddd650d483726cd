"""From a folder to a loaded, warmed-up backend. Blocking: call it in a loader thread."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from mooring_runtime.backends.base import Backend
from mooring_runtime.backends.files import BackendName, find_model
from mooring_runtime.backends.model_settings import FILE_NAME, ModelSettings, read_settings
from mooring_runtime.logging import logger

_MODULES = {
    BackendName.ALEXNET: "mooring_runtime.backends.alexnet",
    BackendName.TORCHSCRIPT: "mooring_runtime.backends.torchscript",
    BackendName.TORCH_EXPORT: "mooring_runtime.backends.torch_export",
}
"""Imported on first use: torch takes seconds to import, and torchvision more."""


def load_backend(
    folder: Path, device: str, torch_threads: int, shared: Path | None = None, profile: str = "exact"
) -> tuple[Backend, ModelSettings]:
    """Load what `folder` holds onto `device` and warm it up.

    Args:
        folder: Where the model's file is.
        device: `cpu`, `cuda`, or what else torch knows.
        torch_threads: For torch, which has them for all models.
        shared: Where `mooring.json` is if `folder` has none.
        profile: For models whose `mooring.json` has none.

    Raises:
        ModelLoadFailed: what is wrong with the files, and what to do.
        StartupError: the device is not there.
    """
    settings = read_settings(folder if shared is None or (folder / FILE_NAME).exists() else shared)
    settings = settings.model_copy(update={"profile": settings.profile or profile})
    model_file = find_model(folder, settings)
    if settings.profile == "fast" and model_file.backend is not BackendName.ALEXNET:
        logger.info("%s computes as it was saved: the fast profile is for AlexNet's weights", model_file.path)
    setup = import_torch(torch_threads)
    load: Callable[..., Backend] = import_module(_MODULES[model_file.backend]).load
    backend = load(model_file.path, settings, setup.choose_device(device))
    backend.warm_up()
    return backend, settings


def import_torch(torch_threads: int) -> Any:
    """Import torch, which takes seconds the first time, and give it its threads; answers `torch_setup`."""
    setup = import_module("mooring_runtime.backends.torch_setup")
    setup.configure(torch_threads)
    return setup
