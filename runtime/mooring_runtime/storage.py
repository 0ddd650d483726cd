"""`Storage.download`, for models that fetch their own files; KServe's `kserve.storage` and `kserve_storage`.

Files of this machine are taken where they are. Everything else is fetched by the storage initializer of the agent, in a
process of its own: the runtime has no storage SDK, and the same URIs, credentials and archives work here and there.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mooring_api.storage_uri import redact
from mooring_runtime.errors import ModelLoadFailed, ModelMissingError

_INSTEAD = "or name it as storageUri (STORAGE_URI), and read /mnt/models."
_FETCHER = "mooring_agent.initializer"


class Storage:
    """KServe's name for what is a function."""

    @staticmethod
    def download(uri: str, out_dir: str | None = None) -> str:
        """Fetch the files of a model, and say in which folder they are.

        Args:
            uri: A path, or a URI: `file`, `s3`, `gs`, `http` or `https`. Credentials are in the agent's variables.
            out_dir: The folder to fetch into; a new one when None. Files of this machine are linked there, or stay
                where they are when None.

        Raises:
            ModelMissingError: there is no such path.
            ModelLoadFailed: it cannot be fetched; the text says why.
        """
        parts = urlsplit(uri)
        if parts.scheme in ("", "file"):
            return _local(Path(unquote(parts.path) if parts.scheme else uri), out_dir)
        if parts.scheme == "pvc":
            raise ModelLoadFailed(
                f"{uri} is mounted by Kubernetes, not fetched.", "Give the path that it is mounted at, " + _INSTEAD
            )
        folder = out_dir or tempfile.mkdtemp(prefix="model-")
        _fetch(uri, folder)
        return folder

    @staticmethod
    def download_files(uri: str, out_dir: str | None = None) -> str:
        """As `download`."""
        return Storage.download(uri, out_dir)


def _local(path: Path, out_dir: str | None) -> str:
    if not path.exists():
        raise ModelMissingError(path)
    if out_dir is None:
        return str(path)
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(path.iterdir()) if path.is_dir() else [path]:
        link = folder / source.name
        link.unlink(missing_ok=True)
        link.symlink_to(source.resolve())
    return out_dir


def _fetch(uri: str, folder: str) -> None:
    command = [sys.executable, "-m", _FETCHER, uri, folder]
    # Without the program's own folder in front, whose modules might have the names of the fetcher's.
    environ = {**os.environ, "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environ)  # noqa: S603 (our own program)
    if done.returncode == 0:
        return
    told = (done.stderr.strip().splitlines() or ["no word"])[-1]
    advice = f"Correct the URI, {_INSTEAD}"
    if told.startswith("ModuleNotFoundError"):
        advice = f"Install what fetches it, pip install 'mooring[agent]', {_INSTEAD}"
    raise ModelLoadFailed(f"{redact(uri)} could not be fetched: {told}", advice)
