"""`mooring-storage-initializer SRC DEST [SRC DEST ...]`: fetch models once, as an init container, and end.

The same storage code as the agent's. A failure is one line that says what to do, on stderr and as the container's
termination message, which `kubectl describe pod` shows; the exit status is 1.
"""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

from mooring_agent import log
from mooring_agent.errors import AgentError, InvalidSettings
from mooring_agent.settings import StorageSettings
from mooring_agent.storage import build_provider, parse
from mooring_agent.storage.folder import Folder

_log = logging.getLogger("mooring_agent.initializer")  # also under `python -m`, where the name is __main__

_FILES_AT_ONCE = 8
_TERMINATION_LOG = Path("/dev/termination-log")
"""Kubernetes mounts it into every container (terminationMessagePath)."""


def fetch(source: str, destination: Path, settings: StorageSettings) -> None:
    """Fetch what `source` means into the folder `destination`, which may be a mount; files that are there are replaced.

    Raises:
        ModelError: the reason.
    """
    uri = parse(source)
    folder = Folder(destination, uri.redacted)
    began = monotonic()
    _log.info("Downloading model from %s", uri.redacted)
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        build_provider(uri.scheme, settings, pool).fetch(uri, folder)
    _log.info("Downloaded %d bytes to %s in %.1f s", folder.bytes_done, destination, monotonic() - began)


def pairs(argv: Sequence[str]) -> list[tuple[str, Path]]:
    """Sources and destinations.

    Raises:
        InvalidSettings: none, or an odd number of arguments.
    """
    if not argv or len(argv) % 2:
        raise InvalidSettings("usage: mooring-storage-initializer SRC DEST [SRC DEST ...]")
    return [(source, Path(destination)) for source, destination in zip(argv[::2], argv[1::2], strict=True)]


def main(
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    termination_log: Path = _TERMINATION_LOG,
) -> int:
    """Fetch every pair in order; the exit status is 0 or 1."""
    log.configure()
    os.umask(0o022)  # the model server reads the files under another user
    try:
        settings = StorageSettings.from_environ(environ)
        for source, destination in pairs(sys.argv[1:] if argv is None else argv):
            fetch(source, destination, settings)
    except (AgentError, OSError) as exc:
        message = f"{type(exc).__name__}: {' '.join(str(exc).split())}\n"
        sys.stderr.write(message)
        if os.access(termination_log, os.W_OK):
            termination_log.write_text(message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
