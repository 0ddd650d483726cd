"""The files of `mooring local up`: what they say now, against what they said before."""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import watchfiles

from mooring_operator.local.manifests import Document, Fault, Reading, read
from mooring_operator.local.objects import Id

SUFFIXES = (".yaml", ".yml", ".json")
RESCAN_MS = 1000
"""Files are looked at again this often even if no event came; a vanished file must stay away for two looks, because
editors save by deleting and renaming."""
_ORDER = ("Secret", "ServiceAccount", "PersistentVolumeClaim", "ConfigMap", "ClusterServingRuntime", "ServingRuntime")


@dataclass(frozen=True)
class File:
    """A file as last read; `documents` are its last good objects."""

    text: str
    documents: Mapping[Id, Document] = field(default_factory=dict)


@dataclass(frozen=True)
class Edit:
    """What changed since the last look."""

    apply: tuple[Document, ...] = ()
    delete: tuple[Id, ...] = ()
    faults: tuple[Fault, ...] = ()
    ignored: tuple[str, ...] = ()


def compare(
    before: Mapping[str, File], texts: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[dict[str, File], Edit]:
    """The files' new state, and what to do about it.

    While a file has a fault, its good objects are applied and nothing that it said before is deleted. An object that
    two files have stays with the file that had it first; the other file gets the fault.
    """
    readings = {
        path: read(text, path, environ)
        for path, text in texts.items()
        if path not in before or before[path].text != text
    }
    after: dict[str, File] = {path: file for path, file in before.items() if path in texts and path not in readings}
    faults = [fault for reading in readings.values() for fault in reading.faults]
    for path, reading in readings.items():
        documents, doubled = _unique(reading, after)
        faults += doubled
        kept = before[path].documents if path in before and (reading.faults or doubled) else {}
        after[path] = File(texts[path], {**kept, **documents})
    apply = [document for path in readings for document in after[path].documents.values()]
    gone = {key for file in before.values() for key in file.documents} - {
        key for file in after.values() for key in file.documents
    }
    ignored = tuple(text for reading in readings.values() for text in reading.ignored)
    return after, Edit(tuple(sorted(apply, key=_order)), tuple(sorted(gone)), tuple(faults), ignored)


def _unique(reading: Reading, others: Mapping[str, File]) -> tuple[dict[Id, Document], list[Fault]]:
    """The documents whose object no other document has, and a fault for each of the rest."""
    owners = {key: document for file in others.values() for key, document in file.documents.items()}
    mine: dict[Id, Document] = {}
    faults = []
    for document in reading.documents:
        first = owners.get(document.id) or mine.get(document.id)
        if first is None:
            mine[document.id] = document
        else:
            message = (
                f"{document.id} is already in {first.path}:{first.line} (document {first.number}); keep one of them"
            )
            faults.append(Fault(document.path, document.line, document.number, message))
    return mine, faults


def _order(document: Document) -> tuple[int, str, int]:
    """What others refer to goes first."""
    kind = document.id.kind
    return (_ORDER.index(kind) if kind in _ORDER else len(_ORDER)), document.path, document.number


def expand(paths: Iterable[Path]) -> list[Path]:
    """Folders replaced by the manifest files in them (not in folders below, as kubectl does)."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path]
        found += [file for file in inside if file not in found]
    return found


class ManifestFiles:
    """Reads the files again whenever they change."""

    def __init__(self, paths: Iterable[Path], environ: Mapping[str, str]) -> None:
        self._paths = [path.absolute() for path in paths]
        self._environ = environ
        self._files: dict[str, File] = {}
        self._missing: set[str] = set()
        self._unreadable: dict[str, str] = {}

    def look(self) -> Edit:
        """What changed since the last look; files that vanished count from the second look on."""
        texts: dict[str, str] = {}
        unreadable: dict[str, str] = {}
        for path in expand(self._paths):
            try:
                texts[str(path)] = path.read_text(errors="surrogateescape")  # YAML says where it is no text
            except FileNotFoundError:
                continue
            except OSError as exc:
                unreadable[str(path)] = f"cannot be read: {exc.strerror}; its last good version stays"
        texts |= {path: self._files[path].text for path in unreadable if path in self._files}
        missing = {path for path in self._files if path not in texts}
        texts |= {path: self._files[path].text for path in missing - self._missing}
        self._missing = missing
        self._files, edit = compare(self._files, texts, self._environ)
        news = [Fault(path, 1, 1, why) for path, why in unreadable.items() if self._unreadable.get(path) != why]
        self._unreadable = unreadable
        return replace(edit, faults=(*edit.faults, *news))

    def _is_ours(self, change: watchfiles.Change, path: str) -> bool:
        """Whether a changed file can be one of ours (editors also write backups, and programs write logs)."""
        return Path(path).suffix in SUFFIXES or any(path == str(ours) for ours in self._paths)

    async def edits(self) -> AsyncIterator[Edit]:
        """Every change from now on, until cancelled."""
        folders = {path if path.is_dir() else path.parent for path in self._paths}
        logging.getLogger("watchfiles").setLevel(logging.WARNING)
        watch = watchfiles.awatch(
            *folders,
            watch_filter=self._is_ours,
            debounce=100,
            step=20,
            rust_timeout=RESCAN_MS,
            yield_on_timeout=True,
            recursive=False,
        )
        async for _ in watch:
            edit = self.look()
            if edit != Edit():
                yield edit
