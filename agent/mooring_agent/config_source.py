"""The model list: read when its folder changes and, since some volumes give no events, every few seconds.

Kubelet replaces a mounted ConfigMap by renaming a symbolic link, `..data`, so files are never half-written and a watch
on the file itself sees nothing; the folder is watched instead.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from watchfiles import awatch

from mooring_agent.errors import ConfigUnreadable
from mooring_api import model_config
from mooring_api.model_config import InvalidModelConfig, ModelConfig

_log = logging.getLogger(__name__)

_WATCH_AGAIN_S = 0.5
PATTERN = "models*.json"
"""KServe's key is `models.json`; more files are read too, as one list."""


@dataclass(frozen=True)
class ModelList:
    """A valid model list."""

    entries: tuple[ModelConfig, ...]
    digest: str
    """`model_config.digest` of the bytes of the file (of all files, in name order, where there are several)."""


def read(folder: Path) -> ModelList:
    """The list as it is now.

    Raises:
        ConfigUnreadable: no file, not readable, or not a model list. That is never an empty list.
    """
    try:
        texts = [path.read_bytes() for path in sorted(folder.glob(PATTERN))]
    except OSError as exc:
        raise ConfigUnreadable(f"cannot read {exc.filename}: {exc.strerror}; the last good list stays") from exc
    if not texts:
        raise ConfigUnreadable(f"{folder} holds no models.json; the ConfigMap is not mounted, or not yet")
    try:
        entries = tuple(entry for text in texts for entry in model_config.loads(text))
        if len(texts) > 1:
            model_config.loads(model_config.dumps(entries))  # a name given in two files
    except InvalidModelConfig as exc:
        raise ConfigUnreadable(f"{exc}; the last good list stays") from exc
    return ModelList(entries, model_config.digest(b"".join(texts)))


async def follow(folder: Path, poll_s: float) -> AsyncIterator[ModelList | ConfigUnreadable]:
    """The list now and at every change; an error is given where the newest list cannot be followed, once each."""
    changed = asyncio.Event()
    watching = asyncio.create_task(_watch(folder, changed, min(poll_s, _WATCH_AGAIN_S)))
    last: str | None = None
    try:
        await asyncio.sleep(0)  # the watch begins before the first read, so that no change falls between them
        while True:
            changed.clear()
            newest = _read_or_error(folder)
            identity = newest.digest if isinstance(newest, ModelList) else f"error {newest}"
            if identity != last:
                last = identity
                yield newest
            try:
                async with asyncio.timeout(poll_s):
                    await changed.wait()
            except TimeoutError:
                continue
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def _read_or_error(folder: Path) -> ModelList | ConfigUnreadable:
    try:
        return read(folder)
    except ConfigUnreadable as exc:
        return exc


async def _watch(folder: Path, changed: asyncio.Event, retry_s: float) -> None:
    """Set `changed` at every event in `folder`; where it cannot be watched (not there, no inotify left), try again."""
    is_told = False
    while True:
        try:
            # An unfiltered watch: the default filter drops names that begin with a dot.
            async for _ in awatch(folder, watch_filter=None, step=20, debounce=100, recursive=False):
                changed.set()
        except (OSError, RuntimeError) as exc:
            if not is_told:
                _log.warning("Cannot watch %s (%s); looking every %g s instead", folder, exc, retry_s)
                is_told = True
        await asyncio.sleep(retry_s)
        changed.set()
