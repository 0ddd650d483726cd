"""The load generator `hey`: its command line, and what its summary says."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.target import node_command

UNPACKED = Path("/var/tmp/kube-node/bin/hey")  # where `node clients` puts it
_STATUS = re.compile(r"^\s+\[(\d{3})\]\s+(\d+) responses$", re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """What one run of `hey` saw."""

    answered: int
    """With status 200."""
    failed: int
    """Other statuses, and requests without an answer."""
    total_s: float
    p50_s: float
    p99_s: float
    """The slowest one where there are too few answers for a 99th percentile."""

    @property
    def per_second(self) -> float:
        """Good answers a second; hey's own figure counts errors too."""
        return self.answered / self.total_s


def parse(summary: str) -> Load:
    """Read what `hey` prints.

    Raises:
        ValueError: nothing was answered, or it is not a summary.
    """
    head, _, errors = summary.partition("Error distribution:")
    statuses = {int(status): int(count) for status, count in _STATUS.findall(head)}
    if not statuses:
        raise ValueError(f"hey saw no answer: {' '.join(errors.split()) or summary.strip()[:300]}")
    slowest = _number(r"Slowest:\s+", head)
    return Load(
        answered=statuses.pop(200, 0),
        failed=sum(statuses.values()) + sum(map(int, re.findall(r"^\s+\[(\d+)\]", errors, re.MULTILINE))),
        total_s=_number(r"Total:\s+", head),
        p50_s=_number(r"50%%? in ", head, slowest),
        p99_s=_number(r"99%%? in ", head, slowest),
    )


def _number(before: str, text: str, default: float | None = None) -> float:
    found = re.search(before + r"([\d.]+) secs", text)
    if found:
        return float(found[1])
    if default is None:
        raise ValueError(f"no {before!r} in what hey printed: {text.strip()[:300]}")
    return default


def find() -> str:
    """The program; unpacks the test node's clients when it is nowhere.

    Raises:
        SystemExit: it is not there and cannot be unpacked.
    """
    if path := shutil.which("hey"):
        return path
    if not UNPACKED.exists():
        node = node_command()
        if not node.exists():
            raise SystemExit("hey is not on PATH: install https://github.com/rakyll/hey and run again.")
        subprocess.run([node, "clients"], check=True)
    return str(UNPACKED)


def start(
    program: str, url: str, connections: int, seconds: float, body: Path | None = None, extra: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Begin to send requests on kept connections, each sending its next once answered."""
    command = [program, "-z", f"{seconds:g}s", "-c", str(connections), "-disable-compression", *extra]
    if body:
        command += ["-m", "POST", "-T", "application/json", "-D", str(body)]
    return subprocess.Popen([*command, url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(load: subprocess.Popen[str], seconds: float) -> Load:
    """Wait for its end, `seconds` and the last answers, and read it."""
    try:
        printed, _ = load.communicate(timeout=seconds + 30)
    except subprocess.TimeoutExpired:
        load.kill()
        load.communicate()
        raise SystemExit("hey did not end: the server owes answers for more than 30 s") from None
    return parse(printed)
