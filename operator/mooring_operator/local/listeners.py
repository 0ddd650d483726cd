"""Who listens on a TCP port of this machine, for an error message."""

import os
from pathlib import Path

_LISTEN = "0A"


def who_listens(port: int, proc: Path = Path("/proc")) -> str | None:
    """`process PID (NAME)`, from Linux' /proc; None when it cannot be told (another user's process, no Linux)."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _inodes(proc / "net" / table, port)}
    if not inodes:
        return None
    for process in proc.glob("[0-9]*"):
        if _holds(process, inodes):
            name = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            return f"process {process.name} ({name[:80]})"
    return None


def _inodes(table: Path, port: int) -> set[str]:
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return set()
    return {f"socket:[{row[9]}]" for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port}


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        return any(os.readlink(fd) in inodes for fd in (process / "fd").iterdir())  # noqa: PTH115 (no path, a name)
    except OSError:
        return False
