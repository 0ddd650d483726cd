"""What one server did under one load, and the rows of the page that come of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.runtime.agreement import Agreement
from bench.runtime.arms import Label
from bench.runtime.load import Load
from bench.runtime.probe import Seen, summary

CONNECTIONS = (1, 8, 32)
FULL = 32
"""The targets are for this many."""
HEADER = (
    *("server", "connections", "requests/s", "min - max", "to the first", "p50 (ms)", "p99 (ms)", "errors"),
    *("server's CPUs", "RSS (MiB)", "client's CPUs", "others' CPUs"),
)
RATIOS = ("what", "of", "to", "on", "requests/s", "to reach", "reached", "p99", "to reach", "reached")
HEALTH = ("what", "server", "answers", "p50 (ms)", "p99 (ms)", "to reach", "reached")
LIMITS = ("what", "of", "requests/s", "limit", "found with", "share", "to reach", "reached")
AGREEMENT = ("what", "images", "same class first", "largest difference of a logit", "logits' range")
LEAST_SHARE = 0.85
HEALTH_P99_S = 0.010
QUIET_CPUS = 0.25
"""What processes outside the measurement may take; past that a figure decides nothing."""


@dataclass(frozen=True)
class Run:
    """One server under one load."""

    label: Label
    connections: int
    load: Load
    cpus: float
    """CPU time of the server per second."""
    memory_bytes: int
    """Resident, at the end."""
    client_cpus: float
    others_cpus: float
    """Of everything else on the machine."""
    health: Load | None = None
    """`GET /v2/health/live` meanwhile."""
    probe: Seen | None = None
    """What that is told from, until it is."""
    spread: tuple[float, float] | None = None
    """Requests per second of the slowest and the fastest round."""

    @property
    def is_quiet(self) -> bool:
        """Whether it had the machine to itself."""
        return self.others_cpus <= QUIET_CPUS

    def cells(self, first: "Run | None" = None) -> tuple[str, ...]:
        """In HEADER's order; `first` is the run that it is divided by."""
        load = self.load
        low, high = self.spread or (load.per_second, load.per_second)
        ratio = divided(load.per_second, first.load.per_second) if first else None
        figures = (f"{load.per_second:.1f}", f"{low:.1f} - {high:.1f}", _ratio(ratio), ms(load.p50_s), ms(load.p99_s))
        cost = (f"{self.cpus:.2f}", f"{self.memory_bytes / 2**20:.0f}", f"{self.client_cpus:.2f}")
        title = (self.label.title, str(self.connections))
        return (*title, *figures, str(load.failed), *cost, f"{self.others_cpus:.2f}")


@dataclass(frozen=True)
class Limit:
    """What the machine does without a server: the fastest of several ways (`limit.py`)."""

    per_second: float
    """Images, or tensors."""
    batch: int
    workers: int
    """Threads that each decode and compute batches of their own, with an equal share of the CPUs."""


def middle(rounds: Sequence[Run]) -> Run:
    """The round of the median throughput; errors and health of all of them, the worst disturbance."""
    ordered = sorted(rounds, key=lambda run: run.load.per_second)
    run = ordered[len(ordered) // 2]
    load = replace(run.load, failed=sum(each.load.failed for each in rounds))
    spread = (ordered[0].load.per_second, ordered[-1].load.per_second)
    others = max(each.others_cpus for each in rounds)
    health = summary(each.probe for each in rounds if each.probe)
    return replace(run, load=load, spread=spread, others_cpus=others, health=health, probe=None)


def middle_limit(rounds: Sequence[Limit]) -> Limit:
    """The median of several."""
    return sorted(rounds, key=lambda limit: limit.per_second)[len(rounds) // 2]


def scenario(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """All runs of a scenario, by connections, in HEADER's order."""
    firsts: dict[int, Run] = {}
    return [run.cells(firsts.setdefault(run.connections, run)) for run in runs]


def ratios(title: str, processor: str, runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """Each run of ours at full load against each peer's that logs as much, in RATIOS' order."""
    full = [run for run in runs if run.connections == FULL]
    rows: list[tuple[str, ...]] = []
    for run in full:
        for peer in full:
            if run.label.side != "ours" or peer.label.side == "ours" or run.label.logs != peer.label.logs:
                continue
            target = run.label.target if peer.label.side == "KServe" else None
            least, most = (target.throughput, target.p99) if target else (None, None)
            is_quiet = run.is_quiet and peer.is_quiet
            throughput = judged(divided(run.load.per_second, peer.load.per_second), "≥", least, is_quiet)
            p99 = judged(divided(run.load.p99_s, peer.load.p99_s), "≤", most, is_quiet)
            rows.append((title, run.label.title, peer.label.title, processor, *throughput, *p99))
    return rows


def limits(title: str, runs: Sequence[Run], found: Mapping[str, Limit]) -> list[tuple[str, ...]]:
    """Each run of ours at full load against what the machine does without a server, in LIMITS' order."""
    rows: list[tuple[str, ...]] = []
    for run in runs:
        limit = found.get(run.label.title)
        if run.connections == FULL and limit:
            share = run.load.per_second / limit.per_second
            how = f"batches of {limit.batch}, {limit.workers} at once"
            figures = (f"{run.load.per_second:.1f}", f"{limit.per_second:.1f}", how, f"{share:.0%}")
            reached = verdict(share >= LEAST_SHARE, run.is_quiet)
            rows.append((title, run.label.title, *figures, f"≥ {LEAST_SHARE:.0%}", reached))
    return rows


def agreement(title: str, seen: Agreement) -> tuple[str, ...]:
    """The fast profile's answers beside the exact ones, in AGREEMENT's order."""
    return (title, str(seen.images), f"{seen.top1:.1%}", f"{seen.largest_difference:.4f}", f"{seen.spread:.2f}")


def health(title: str, runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """The probe's answers, in HEALTH's order; the target is for ours."""
    rows: list[tuple[str, ...]] = []
    for run in runs:
        if run.health is None:
            continue
        load = run.health
        reached = verdict(load.p99_s < HEALTH_P99_S and not load.failed, run.is_quiet)
        to_reach = (f"p99 < {HEALTH_P99_S * 1000:g}", reached) if run.label.side == "ours" else ("", "")
        rows.append((title, run.label.title, str(load.answered), ms(load.p50_s), ms(load.p99_s), *to_reach))
    return rows


def divided(ours: float, others: float) -> float | None:
    """Their ratio; None where one of them answered nothing."""
    return ours / others if others and math.isfinite(ours) and math.isfinite(others) else None


def judged(value: float | None, sign: str, wanted: float | None, is_quiet: bool) -> tuple[str, str, str]:
    """A ratio, what it is to reach, whether it does."""
    if wanted is None or value is None:
        return _ratio(value), "", ""
    reached = value >= wanted if sign == "≥" else value <= wanted
    return _ratio(value), f"{sign} {wanted:g}", verdict(reached, is_quiet)


def verdict(reached: bool, is_quiet: bool) -> str:
    """In one word."""
    if not is_quiet:
        return "undecided"
    return "yes" if reached else "**no**"


def ms(seconds: float) -> str:
    """In milliseconds."""
    return f"{seconds * 1000:.1f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
