"""The models' folders: staged beside, swapped in by rename, marked when complete, found again after a restart.

```
<model-dir>/<name>/                the version in place, with SUCCESS.<download id> (the ModelSpec as JSON, as KServe's)
<model-dir>/.staging/<name>.new/   fetched and complete, not in place
<model-dir>/.staging/<name>.old/   in place before; exists only until the newer one is loaded
<model-dir>/.staging/<name>.part*/ being fetched, or to be deleted; swept at start
```
Staging is inside the model volume because a rename cannot cross volumes. A model's name has no dot, so none collides.
"""

import itertools
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from mooring_agent.plan import Observed
from mooring_api import model_config
from mooring_api.names import MODEL_NAME_PATTERN
from mooring_api.v1alpha1 import ModelSpec

_MARKER = "SUCCESS."
_STAGING = ".staging"
_NEW, _OLD = ".new", ".old"


@dataclass(frozen=True)
class Recovered:
    """What an earlier agent process left of a model."""

    spec: ModelSpec
    seen: Observed


class Disk:
    """One model volume. Its methods block, for longest where they delete; one caller at a time per model."""

    def __init__(self, model_dir: Path) -> None:
        self._models = model_dir
        self._staging = model_dir / _STAGING
        self._count = itertools.count()

    def recover(self) -> dict[str, Recovered]:
        """The complete models of the volume by name; repairs a swap that was cut short and sweeps what is partial.

        Folders without a marker are not ours and stay.
        """
        self._staging.mkdir(parents=True, exist_ok=True)
        for leftover in sorted(self._staging.iterdir()):
            if leftover.suffix not in (_NEW, _OLD):
                _remove(leftover)
        names = {path.stem for path in self._staging.iterdir()} | {
            path.name for path in self._models.iterdir() if path.is_dir() and not path.name.startswith(".")
        }
        legal = [name for name in sorted(names) if re.fullmatch(MODEL_NAME_PATTERN, name)]
        found = {name: self._recover_one(name) for name in legal}
        return {name: recovered for name, recovered in found.items() if recovered is not None}

    def begin(self, name: str) -> Path:
        """A fresh path for a fetch of `name`; nothing else will ever use it."""
        return self._staging / f"{name}.part{next(self._count)}"

    def stage(self, name: str, part: Path, spec: ModelSpec) -> None:
        """Mark what was fetched into `part` as complete and make it the staged version."""
        marker = part / f"{_MARKER}{model_config.download_id(spec)}"
        marker.write_text(spec.model_dump_json(by_alias=True, exclude_none=True), encoding="utf-8")
        staged = self._staging / f"{name}{_NEW}"
        self._discard(staged)
        part.rename(staged)

    def swap(self, name: str) -> bool:
        """Put the staged version in place; returns whether an older one was kept."""
        in_place, old = self._models / name, self._staging / f"{name}{_OLD}"
        has_old = in_place.exists() or in_place.is_symlink()
        if has_old:
            self._discard(old)
            in_place.rename(old)
        (self._staging / f"{name}{_NEW}").rename(in_place)
        return has_old

    def restore(self, name: str) -> None:
        """Undo `swap`: the newer version is the staged one again."""
        in_place = self._models / name
        in_place.rename(self._staging / f"{name}{_NEW}")
        (self._staging / f"{name}{_OLD}").rename(in_place)

    def commit(self, name: str) -> None:
        """Delete every version of `name` but the one in place."""
        for suffix in (_NEW, _OLD):
            self._discard(self._staging / f"{name}{suffix}")

    def delete(self, name: str) -> None:
        """Delete every version of `name`."""
        self.commit(name)
        self._discard(self._models / name)

    def _discard(self, path: Path) -> None:
        """Take `path` away at once (a rename), then delete it; what cannot be deleted is swept at the next start."""
        if path.exists() or path.is_symlink():
            trash = self.begin(path.name)
            path.rename(trash)
            _remove(trash)

    def _recover_one(self, name: str) -> Recovered | None:
        in_place, new, old = self._models / name, self._staging / f"{name}{_NEW}", self._staging / f"{name}{_OLD}"
        if old.exists() and not in_place.exists():
            old.rename(in_place)
        specs = {path: read_marker(path) for path in (in_place, new, old)}
        versions = {path: model_config.download_id(spec) if spec else None for path, spec in specs.items()}
        spec = specs[in_place] or specs[new]
        if spec is None:
            self.commit(name)
            return None
        seen = Observed(versions[in_place], versions[new], versions[old], may_be_loaded=True)
        # A kept older version means that the swap was not confirmed by a load: the server may still have the old one.
        return Recovered(spec, replace(seen, is_recovered=seen.in_place is not None and seen.previous is None))


def read_marker(folder: Path) -> ModelSpec | None:
    """The spec of the complete model in `folder`; None when it is not complete (no marker, or a broken one)."""
    for marker in sorted(folder.glob(f"{_MARKER}*")) if folder.is_dir() else ():
        try:
            return ModelSpec.model_validate_json(marker.read_bytes())
        except (ValidationError, OSError):
            continue
    return None


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        # Files that the model server's user added may not be ours to delete; they are out of its sight already.
        shutil.rmtree(path, ignore_errors=True)
