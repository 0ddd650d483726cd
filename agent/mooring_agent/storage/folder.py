"""The folder that one fetch writes into: confined, counted, cancellable, and never filling the volume."""

import errno
import os
import posixpath
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mooring_agent.errors import Cancelled, DiskFull, TransferFailed, UnsafePath

RESERVE_BYTES = 32 * 1024 * 1024
"""Left free on the volume: a full one would evict the pod or stop the model server from writing."""
_LOOK_EVERY_BYTES = 64 * 1024 * 1024


class Writer:
    """A file of the folder, open for writing."""

    def __init__(self, folder: "Folder", file: BinaryIO) -> None:
        self._folder, self._file = folder, file

    def write(self, chunk: bytes | bytearray | memoryview) -> int:
        """Append `chunk`, for any SDK that wants a file object.

        Raises:
            Cancelled: the fetch was given up.
            DiskFull: the volume would be full.
        """
        self._folder.count(len(chunk))
        return self._file.write(chunk)


class Folder:
    """Where one fetch puts what it gets. Its methods may be called from any thread; `cancel` stops the next write."""

    def __init__(self, path: Path, source: str) -> None:
        """`path` is created; `source` is the URI, without credentials, that messages name."""
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.source = source
        self.bytes_done = 0
        self.bytes_total: int | None = None
        self._root = path.resolve()
        self._looked_at_bytes = 0
        self.is_cancelled = False

    def cancel(self) -> None:
        """Make the fetch stop at its next write."""
        self.is_cancelled = True

    def expect(self, total_bytes: int) -> None:
        """Say how much will come.

        Raises:
            DiskFull: it will not fit.
        """
        self.bytes_total = total_bytes
        self._look(total_bytes)

    def count(self, chunk_bytes: int) -> None:
        """Note that `chunk_bytes` are about to be written (raises as `Writer.write`)."""
        self._check()
        self.bytes_done += chunk_bytes
        if self.bytes_done - self._looked_at_bytes >= _LOOK_EVERY_BYTES:
            self._looked_at_bytes = self.bytes_done
            self._look(0)

    @contextmanager
    def create(self, name: str) -> Iterator[Writer]:
        """Open the new file `name` (relative, with slashes); a file of that name is replaced.

        Raises:
            UnsafePath: `name` would leave the folder.
            DiskFull: the volume is full.
        """
        target = self._place(name)
        try:
            if target.is_symlink():
                target.unlink()
            with target.open("wb") as file:
                yield Writer(self, file)
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self._full(0) from exc
            if exc.errno in (errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG):
                raise UnsafePath(f"{self.source}: {name!r} cannot be a file here: {exc.strerror}") from exc
            raise

    def make_folder(self, name: str) -> None:
        """Create the sub-folder `name` (raises UnsafePath)."""
        self._place(posixpath.join(name, "."))

    def link(self, name: str, target: str) -> None:
        """Create the symbolic link `name` -> `target`, both inside the folder, `target` relative to the link.

        Raises:
            UnsafePath: the link or what it points at would leave the folder.
        """
        end = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        if target.startswith("/") or end == ".." or end.startswith("../"):
            raise UnsafePath(f"{self.source}: the link {name!r} -> {target!r} leaves the model's folder; remove it")
        place = self._place(name)
        place.unlink(missing_ok=True)
        place.symlink_to(target)

    def link_outside(self, name: str, target: Path) -> None:
        """Create the link `name` -> `target`, which is trusted to be a mounted volume of this pod."""
        place = self._place(name)
        place.unlink(missing_ok=True)
        place.symlink_to(target)

    def _place(self, name: str) -> Path:
        """Where `name` goes, its parents made. Resolving the parent also catches links that earlier members made."""
        self._check()
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or "\0" in name or not name.strip("/."):
            raise UnsafePath(f"{self.source}: {name!r} would be written outside the model's folder; rename it")
        place = self.path / name
        parent = place if parts[-1] in ("", ".") else place.parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as exc:
            raise UnsafePath(f"{self.source}: {name!r} lies inside something that is a file") from exc
        if not parent.resolve().is_relative_to(self._root):
            raise UnsafePath(f"{self.source}: {name!r} would be written through a link that leaves the model's folder")
        return place

    def _check(self) -> None:
        if self.is_cancelled:
            raise Cancelled(f"{self.source}: given up because the model was changed or removed")

    def _look(self, coming_bytes: int) -> None:
        if shutil.disk_usage(self.path).free < coming_bytes + RESERVE_BYTES:
            raise self._full(coming_bytes)

    def _full(self, coming_bytes: int) -> DiskFull:
        free = shutil.disk_usage(self.path).free
        wanted = f"needs {coming_bytes} bytes" if coming_bytes else f"has {self.bytes_done} bytes so far"
        return DiskFull(
            f"{self.source} {wanted}, but {free} bytes are free on the model volume; "
            "remove models or enlarge the volume (emptyDir sizeLimit, node disk)"
        )


def check_length(folder: Folder, name: str, got: int, expected: int | None) -> None:
    """Refuse a body that ended early.

    Raises:
        TransferFailed: `got` is not `expected`.
    """
    if expected is not None and got != expected:
        raise TransferFailed(f"{folder.source}: {name!r} has {got} of {expected} bytes; the connection broke, retrying")


def size_on_disk(path: Path) -> int:
    """Size of one file in bytes."""
    return os.stat(path).st_size  # noqa: PTH116 - the cheaper call for many small files
