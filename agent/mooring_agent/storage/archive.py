"""Unpacking tar, tar.gz and zip into a folder: member by member, confined, in constant memory.

Only folders, regular files and links that stay inside are made; everything goes through `Folder`, which refuses names
that leave it, counts bytes and keeps the volume from filling (a small archive can unpack to a large one).
"""

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from mooring_agent.errors import InvalidArchive, UnsafePath
from mooring_agent.storage.folder import Folder

_CHUNK_BYTES = 256 * 1024
_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
_CONTENT_TYPES = ("zip", "x-tar", "x-gtar", "gzip")


def is_archive(name: str, content_type: str = "") -> bool:
    """Whether the name or the content type says tar, tar.gz or zip.

    Not the content alone: many model formats (.pt, .npz, .keras, .mar) are zip files that must stay as they are.
    """
    kind = content_type.partition(";")[0].strip().lower().removeprefix("application/")
    return name.lower().endswith(_SUFFIXES) or kind.removesuffix("-compressed").removeprefix("x-") in {
        known.removeprefix("x-") for known in _CONTENT_TYPES
    }


def unpack(file: Path, folder: Folder) -> None:
    """Unpack `file` into `folder`.

    Raises:
        InvalidArchive: neither tar nor zip, or damaged.
        UnsafePath: a member would be written outside.
        DiskFull: it does not fit.
    """
    kind: Callable[[Path, Folder], None] = _unpack_zip if zipfile.is_zipfile(file) else _unpack_tar
    try:
        kind(file, folder)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        raise InvalidArchive(
            f"{folder.source}: not a readable tar, tar.gz or zip file ({type(exc).__name__}: {exc}); upload it again"
        ) from exc


def _unpack_tar(file: Path, folder: Folder) -> None:
    with tarfile.open(file, "r:*") as archive:
        for member in archive:
            name = member.name.rstrip("/")
            if member.isdir():
                _make_folder(folder, name)
            elif member.issym():
                folder.link(name, member.linkname)
            elif member.isreg() or member.islnk():
                source = archive.extractfile(member)
                if source is None:
                    raise InvalidArchive(f"{folder.source}: {name!r} links to nothing in the archive")
                _write(folder, name, source)
            else:
                raise UnsafePath(f"{folder.source}: {name!r} is a device or pipe; pack regular files only")


def _unpack_zip(file: Path, folder: Folder) -> None:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            name = member.filename
            if member.is_dir():
                _make_folder(folder, name.rstrip("/"))
            elif stat.S_ISLNK(member.external_attr >> 16):
                folder.link(name, archive.read(member).decode(errors="replace"))
            else:
                with archive.open(member) as source:
                    _write(folder, name, source)


def _make_folder(folder: Folder, name: str) -> None:
    if name not in ("", "."):
        folder.make_folder(name)


def _write(folder: Folder, name: str, source: IO[bytes]) -> None:
    with source, folder.create(name) as writer:
        shutil.copyfileobj(source, writer, _CHUNK_BYTES)
