"""The load generator `wrk` (C), for REST: its command line, and what it prints.

Its percentiles count a slow answer several times: as if requests had gone on arriving at the mean rate meanwhile
(`stats_correct` in wrk.c, against coordinated omission). That is done to every server alike.
"""

import math
import re
import shutil
import subprocess
from pathlib import Path

from bench.runtime.load import FINISH_S, Load, Question

SCRIPT = Path(__file__).with_name("wrk.lua")
_LINE = re.compile(r"^mooring (.+)$", re.MULTILINE)


def find() -> str:
    """The program.

    Raises:
        SystemExit: it is nowhere.
    """
    if path := shutil.which("wrk"):
        return path
    raise SystemExit("wrk is not on PATH: apt-get install wrk (or brew install wrk), and run again.")


def start(program: str, port: int, question: Question, connections: int, seconds: float) -> subprocess.Popen[str]:
    """Begin to send on kept connections."""
    options = ("-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "--timeout", f"{FINISH_S}s")
    headers = (text for pair in question.headers.items() for text in pair)
    script = ("-s", str(SCRIPT), f"http://127.0.0.1:{port}{question.path}", "--", str(question.body))
    command = (program, *options, *script, *headers)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def parse(printed: str) -> Load:
    """Read what it printed; requests that were on their way at the end are no errors.

    Raises:
        ValueError: there were errors alone, or it did not run.
    """
    line = _LINE.search(printed)
    if line is None:
        raise ValueError(f"wrk did not run: {printed.strip()[:300]}")
    seen = {name: int(number) for name, _, number in (word.partition("=") for word in line[1].split())}
    failed, total_s = (
        sum(seen[kind] for kind in ("status", "connect", "read", "write", "timeout")),
        seen["duration"] / 1e6,
    )
    if not seen["answers"]:
        if failed:
            raise ValueError(f"wrk saw no answer: {line[1]}")
        return Load(0, 0, total_s, math.inf, math.inf)  # the first one takes longer than the run
    return Load(seen["answers"] - seen["status"], failed, total_s, seen["p50"] / 1e6, seen["p99"] / 1e6)
