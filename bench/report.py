"""Our figures beside KServe's and the target: on the terminal and in `bench/results/control-plane.md`."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "control-plane.md"
HEADER = ("what", "n", "min", "median", "max", "KServe's median", "KServe / ours", "to reach", "reached")


@dataclass(frozen=True)
class Reference:
    """One row of KServe's figures (measured on the same node), and what we are to reach."""

    what: str
    kserve: float | None = None
    """KServe's median."""
    target: float | None = None
    """Our median may not be above."""
    ceiling: float | None = None
    """No single measurement may be above."""


@dataclass(frozen=True)
class Row:
    """A figure of ours; smaller is better in every row."""

    reference: Reference
    values: Sequence[float]

    @property
    def median(self) -> float:
        """Middle of the measurements."""
        return statistics.median(self.values)

    @property
    def reached(self) -> bool | None:
        """Whether the targets are met; None when the row has none."""
        wanted = self.reference
        if wanted.target is None and wanted.ceiling is None:
            return None
        within = wanted.target is None or self.median <= wanted.target
        return within and (wanted.ceiling is None or max(self.values) <= wanted.ceiling)

    def cells(self) -> tuple[str, ...]:
        """The row as the table shows it, in HEADER's order."""
        wanted = self.reference
        ratio = f"{wanted.kserve / self.median:.2g}" if wanted.kserve is not None and self.median else ""
        limits = [f"median ≤ {_number(wanted.target)}"] if wanted.target is not None else []
        limits += [f"max ≤ {_number(wanted.ceiling)}"] if wanted.ceiling is not None else []
        kserve = "" if wanted.kserve is None else _number(wanted.kserve)
        verdict = {True: "yes", False: "**no**", None: ""}[self.reached]
        spread = (_number(min(self.values)), _number(self.median), _number(max(self.values)))
        return (wanted.what, str(len(self.values)), *spread, kserve, ratio, ", ".join(limits), verdict)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ("---",) * len(header), *rows))


def markdown(rows: Sequence[Row], commit: str, note: str) -> str:
    """The report as a page."""
    return f"""# Control plane: ours beside KServe's

{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit}, {machine()}. {note}
KServe's figures: master of August 2026, Standard mode, measured on the same kind of node (its manager with raised
limits). Times are noisy on two shared cores; counts are not. `make bench` writes this page.

{table(HEADER, [row.cells() for row in rows])}

How: objects are created by 16 requests in flight from one client (`bench/api.py`, no kubectl). Times end when a watch,
or a request through the ingress (polled each 10 ms), sees the result; "starts downloading" is the time in the agent's
own log line. Requests are counted by the API server (two FlowSchemas that match the operator's service account), events
included. CPU and memory are the kernel's figures for the containers' processes; the operator's are of both its pods.
The operator's pods request 400m CPU each here, not the chart's 100m (KServe's manager had been given 1 CPU): on two
cores that start 100 pods, a process gets the share that it asked for.
"""


def machine() -> str:
    """What the figures were measured on."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}"
