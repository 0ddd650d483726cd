"""What a model folder holds, told by content: a `.pt` may be TorchScript or a state dict, and names lie.

Reads a few bytes and a zip directory; unpickles nothing and needs no torch.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mooring_runtime.backends.model_settings import ModelSettings
from mooring_runtime.errors import ModelLoadFailed


class BackendName(StrEnum):
    """The backends, as `mooring.json` spells them."""

    ALEXNET = "alexnet"
    TORCHSCRIPT = "torchscript"
    TORCH_EXPORT = "torch_export"


SUFFIXES = (".pt2", ".safetensors", ".pt", ".pth")
"""Files that may be models; anything else in a folder is let be."""

_EXPECTED = (
    "a TorchScript archive (torch.jit.save), a torch.export archive (torch.export.save, *.pt2), "
    "or AlexNet weights (*.safetensors, or a state dict saved by torch.save)"
)


@dataclass(frozen=True)
class ModelFile:
    """The file to load and the backend that reads it."""

    path: Path
    backend: BackendName


def _zip_members(path: Path) -> frozenset[str]:
    """Paths in a torch archive, without the top folder that all its members share; empty when it is no zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            return frozenset(name.partition("/")[2] or name for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return frozenset()


def _starts_with(path: Path, prefix: bytes, skip: int = 0) -> bool:
    with path.open("rb") as file:
        return file.read(skip + len(prefix))[skip:] == prefix


_KINDS: tuple[tuple[BackendName, Callable[[Path], bool]], ...] = (
    (BackendName.TORCH_EXPORT, lambda path: "archive_format" in _zip_members(path)),
    (BackendName.TORCHSCRIPT, lambda path: "constants.pkl" in _zip_members(path)),
    (BackendName.ALEXNET, lambda path: "data.pkl" in _zip_members(path)),
    (BackendName.ALEXNET, lambda path: path.suffix == ".safetensors" and _starts_with(path, b"{", skip=8)),
    (BackendName.ALEXNET, lambda path: _starts_with(path, b"\x80\x02")),  # torch.save before version 1.6
)
"""The first that holds tells the backend. Order matters: a TorchScript archive has a `data.pkl` too."""


def find_model(folder: Path, settings: ModelSettings) -> ModelFile:
    """Choose the file of `folder` and its backend.

    Raises:
        ModelLoadFailed: no model file, several, or one of no known format.
    """
    path = _named(folder, settings.model_file) if settings.model_file else _only_candidate(folder)
    if settings.backend is not None:
        return ModelFile(path, _backend(settings.backend))
    for backend, matches in _KINDS:
        if matches(path):
            return ModelFile(path, backend)
    raise ModelLoadFailed(
        f"{path.name} is corrupt or of no known format ({path.stat().st_size} bytes).", f"It must be {_EXPECTED}."
    )


def holds_model(folder: Path) -> bool:
    """Whether `folder` itself, not one of its subfolders, is a model."""
    return bool(_candidates(folder))


def _candidates(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())


def _only_candidate(folder: Path) -> Path:
    candidates = _candidates(folder)
    named = [path for path in candidates if path.stem == "model"]
    if len(candidates) == 1 or len(named) == 1:
        return (named or candidates)[0]
    if candidates:
        names = ", ".join(path.name for path in candidates)
        raise ModelLoadFailed(
            f"The folder holds several model files: {names}.", "Name one in mooring.json: model_file."
        )
    found = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
    raise ModelLoadFailed(f"The folder holds no model file, only: {found}.", f"It must hold {_EXPECTED}.")


def _named(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise ModelLoadFailed(f"mooring.json names model_file {name}, which is not there.", "Correct the name.")
    return path


def _backend(name: str) -> BackendName:
    try:
        return BackendName(name)
    except ValueError:
        known = ", ".join(BackendName)
        raise ModelLoadFailed(f"mooring.json names backend {name}.", f"It must be one of {known}.") from None
