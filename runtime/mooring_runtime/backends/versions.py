"""Numbered subfolders as versions of a model, as Triton lays a model repository out: `NAME/1`, `NAME/2`."""

import re
from pathlib import Path

from mooring_runtime.backends.files import holds_model
from mooring_runtime.backends.model_settings import FILE_NAME, read_settings
from mooring_runtime.errors import ModelLoadFailed

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
"""Triton's rule: folders whose names begin with a zero are not versions."""


def version_folders(folder: Path) -> list[Path]:
    """The versions that are there, the newest last; none where the folder itself is a model."""
    if holds_model(folder):
        return []
    numbered = [path for path in folder.iterdir() if _NUMBER.fullmatch(path.name) and path.is_dir()]
    return sorted(numbered, key=lambda path: int(path.name))


def is_versioned(folder: Path) -> bool:
    """Whether the folder is one model, since all that is in it, hidden folders aside, are versions."""
    folders = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return bool(folders) and len(version_folders(folder)) == len(folders)


def chosen_versions(folder: Path) -> list[Path]:
    """Those to serve by `versions` of the folder's `mooring.json`, the newest last.

    Raises:
        ModelLoadFailed: one that is asked for is not there.
    """
    there = version_folders(folder)
    wanted = read_settings(folder).versions if there else "all"
    if wanted == "all":
        return there
    if wanted == "latest":
        return there[-1:]
    chosen = [path for path in there if int(path.name) in wanted]
    if missing := sorted(set(wanted) - {int(path.name) for path in chosen}):
        raise ModelLoadFailed(
            f"{FILE_NAME} names version {missing[0]}, there are {', '.join(path.name for path in there)}.",
            "Put it there, or correct the file.",
        )
    return chosen
