"""Models from a folder: the folder itself, or one subfolder for each; either may have numbered versions below it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mooring_runtime.backends.files import holds_model
from mooring_runtime.backends.loading import load_backend
from mooring_runtime.backends.servable import BackendServable
from mooring_runtime.backends.versions import chosen_versions, is_versioned
from mooring_runtime.errors import ModelLoadFailed, ModelNotFound
from mooring_runtime.lanes.lane import LaneLimits
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.metrics import Metrics
from mooring_runtime.registry.servable import Servable

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""Names that may become a path: nothing hidden, nothing that climbs."""


@dataclass(frozen=True)
class Layout:
    """Which models a folder holds."""

    root: Path
    single: str | None
    """The one model's name when `root` is the model; None when each subfolder is one."""

    @classmethod
    def of(cls, root: Path, model_name: str, multi_model: bool) -> "Layout":
        """Look at `root`: a model's files, or versions, right in it make it a single model, unless `multi_model`."""
        single = not multi_model and root.is_dir() and (holds_model(root) or is_versioned(root))
        return cls(root, model_name if single else None)

    def names(self) -> list[str]:
        """Models that are there now, sorted; hidden folders are somebody's staging area."""
        if self.single is not None:
            return [self.single]
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if _NAME.fullmatch(path.name) and path.is_dir())

    def folder(self, name: str) -> Path:
        """Where the files of `name` are.

        Raises:
            ModelNotFound: nowhere.
        """
        if self.single is not None:
            if name == self.single:
                return self.root
            raise ModelNotFound(name, f"This server serves one model, {self.single}.")
        folder = self.root / name
        if not _NAME.fullmatch(name) or not folder.is_dir():
            raise ModelNotFound(name, f"There is no folder {name} in {self.root}.")
        return folder


@dataclass(frozen=True)
class FolderSource:
    """Opens models of a layout."""

    layout: Layout
    device: str
    profile: str
    torch_threads: int
    max_waiting: int
    max_queue_delay_ms: float
    threads: Threads
    metrics: Metrics
    versioned: bool = True
    concurrency: int | None = None
    """For models whose settings do not say; None is what the backend takes best."""

    async def open(self, name: str) -> Servable | Mapping[str | None, Servable]:
        """Load the files of `name`, or of its versions that are to serve, in a loader thread."""
        folder = self.layout.folder(name)
        versions = await self.threads.load(chosen_versions, folder)
        if not versions:
            return await self._open(name, folder)
        opened: dict[str | None, Servable] = {}
        try:
            for version in versions:
                opened[version.name] = await self._open(name, version, folder)
        except BaseException:
            for servable in opened.values():
                await servable.close()
            raise
        return opened

    async def _open(self, name: str, folder: Path, parent: Path | None = None) -> Servable:
        """Load one folder; `parent` is the model's where it is that of a version."""
        try:
            backend, settings = await self.threads.load(
                load_backend, folder, self.device, self.torch_threads, parent, self.profile
            )
        except ModelLoadFailed as exc:
            where = "" if parent is None else f"Version {folder.name}: "
            raise ModelLoadFailed(f"{where}{exc.reason}", exc.advice) from exc
        except FileNotFoundError as exc:  # the folder went while we read it
            raise ModelLoadFailed(f"{exc.filename} is not there any more.", "Put it back and load again.") from exc
        except MemoryError as exc:
            raise ModelLoadFailed("There is not enough memory for it.", "Raise the container's memory limit.") from exc
        delay_ms = settings.max_queue_delay_ms if settings.max_queue_delay_ms is not None else self.max_queue_delay_ms
        limits = LaneLimits(
            settings.max_waiting or self.max_waiting,
            backend.max_batch_rows,
            settings.concurrency or self.concurrency or backend.concurrency,
            delay_ms / 1000,
        )
        version = None if parent is None else folder.name
        return BackendServable(name, backend, limits, self.threads, self.metrics, version)


def describe(names: Sequence[str]) -> str:
    """A list of models for a log line, not longer than a line."""
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown or "none"
