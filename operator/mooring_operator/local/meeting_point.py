"""Where `up` and the other commands meet: a unix socket."""

import hashlib
import tempfile
from pathlib import Path

_LONGEST_SOCKET_PATH = 100
"""The kernel takes 107 bytes."""


def socket_path(data_dir: Path) -> Path:
    """Where the socket of a data folder is: in it, or in the temporary folder where its path is too long for one."""
    path = data_dir.absolute() / "control.sock"
    if len(str(path)) <= _LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"mooring-{digest}.sock"
