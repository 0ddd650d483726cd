"""`bench/results/runtime.md`: every run as a row, and ours divided by the peer's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.report import machine, table
from bench.runtime.hey import Load

RESULTS = Path(__file__).parents[1] / "results" / "runtime.md"
HEADER = (
    *("server", "connections", "requests/s", "min - max", "p50 (ms)", "p99 (ms)", "errors"),
    *("server's CPUs", "RSS (MiB)", "others' CPUs"),
)
RATIOS = ("what", "of", "connections", "ours / KServe's", "to reach", "reached")
HEALTH = ("server", "answers", "p50 (ms)", "p99 (ms)", "to reach", "reached")
HEALTH_P99_S = 0.010
QUIET_CPUS = 0.25
"""What processes outside the measurement may take; past that a figure decides nothing."""


@dataclass(frozen=True)
class Run:
    """One server under one load."""

    scenario: str
    server: str
    is_peer: bool
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
    spread: tuple[float, float] | None = None
    """Requests per second of the slowest and the fastest round."""

    @property
    def is_quiet(self) -> bool:
        """Whether it had the machine to itself."""
        return self.others_cpus <= QUIET_CPUS

    def cells(self) -> tuple[str, ...]:
        """In HEADER's order."""
        load = self.load
        low, high = self.spread or (load.per_second, load.per_second)
        figures = (f"{load.per_second:.1f}", f"{low:.1f} - {high:.1f}", _ms(load.p50_s), _ms(load.p99_s))
        cost = (f"{self.cpus:.2f}", f"{self.memory_bytes / 2**20:.0f}", f"{self.others_cpus:.2f}")
        return (self.server, str(self.connections), *figures, str(load.failed), *cost)


def middle(rounds: Sequence[Run]) -> Run:
    """The round of the median throughput; errors of all of them, the worst probe, the worst disturbance."""
    ordered = sorted(rounds, key=lambda run: run.load.per_second)
    run = ordered[len(ordered) // 2]
    load = replace(run.load, failed=sum(each.load.failed for each in rounds))
    spread = (ordered[0].load.per_second, ordered[-1].load.per_second)
    others = max(each.others_cpus for each in rounds)
    probe = max((each.health for each in rounds if each.health), key=lambda seen: seen.p99_s, default=None)
    return replace(run, load=load, spread=spread, others_cpus=others, health=probe)


@dataclass(frozen=True)
class Target:
    """What issue 4 (5.2) asks of us at `connections`, as a ratio to the peer; `p99` may not be above."""

    connections: int
    throughput: float
    p99: float | None = None


@dataclass(frozen=True)
class Heading:
    """What the page says about the run as a whole."""

    commit: str
    kserve: str
    seconds: float
    rounds: int
    threads: int
    jpeg_bytes: int
    quick: bool


def ratios(runs: Sequence[Run], targets: dict[str, Target]) -> list[tuple[str, ...]]:
    """Each run of ours against the peer's of the same scenario and connections, in RATIOS' order."""
    peers = {(run.scenario, run.connections): run for run in runs if run.is_peer}
    rows: list[tuple[str, ...]] = []
    for run in runs:
        peer = peers.get((run.scenario, run.connections))
        if run.is_peer or peer is None:
            continue
        target = targets.get(run.scenario)
        target = target if target and target.connections == run.connections else None
        place, is_quiet = (run.server, str(run.connections)), run.is_quiet and peer.is_quiet
        throughput = _ratio(run.load.per_second, peer.load.per_second)
        p99 = _ratio(run.load.p99_s, peer.load.p99_s)
        least, most = (target.throughput, target.p99) if target else (None, None)
        rows.append((f"{run.scenario}: requests/s", *place, *_judged(throughput, "≥", least, is_quiet)))
        rows.append((f"{run.scenario}: p99", *place, *_judged(p99, "≤", most, is_quiet)))
    return rows


def _ratio(ours: float, peers: float) -> float | None:
    return ours / peers if peers else None


def _judged(value: float | None, sign: str, wanted: float | None, is_quiet: bool) -> tuple[str, str, str]:
    shown = "" if value is None else f"{value:.2f}"
    if wanted is None or value is None:
        return shown, "", ""
    reached = value >= wanted if sign == "≥" else value <= wanted
    return shown, f"{sign} {wanted:g}", _verdict(reached, is_quiet)


def _verdict(reached: bool, is_quiet: bool) -> str:
    if not is_quiet:
        return "undecided"
    return "yes" if reached else "**no**"


def health(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """The probe's answers, in HEALTH's order; the target is for ours."""
    rows: list[tuple[str, ...]] = []
    for run in runs:
        if run.health is None:
            continue
        load = run.health
        reached = _verdict(load.p99_s < HEALTH_P99_S and not load.failed, run.is_quiet)
        verdict = ("", "") if run.is_peer else (f"p99 < {HEALTH_P99_S * 1000:g}", reached)
        rows.append((f"{run.scenario}: {run.server}", str(load.answered), _ms(load.p50_s), _ms(load.p99_s), *verdict))
    return rows


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


def markdown(runs: Sequence[Run], targets: dict[str, Target], heading: Heading) -> str:
    """The page."""
    busiest = max((run.client_cpus for run in runs), default=0.0)
    length = f"{'a quick run, ' if heading.quick else ''}{heading.rounds} rounds of {heading.seconds:g} s"
    return f"""# Runtime: ours beside KServe {heading.kserve}

{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {heading.commit}, {machine()},
{heading.threads} threads for torch, {length}. `make bench-runtime` writes this page, both sides in one run.
"**no**" is a target of ours that is still open; "undecided" is one where other processes of the machine took more than
{QUIET_CPUS:g} CPUs in either row, so that the ratio proves nothing: it is open too.

## Ours / KServe's

{table(RATIOS, ratios(runs, targets))}

{_scenarios(runs)}## `GET /v2/health/live` under full load

One more connection asks 50 times a second while 32 send images.

{table(HEALTH, health(runs))}

## How

Each server is one process with its defaults but without gRPC, on loopback. A scenario's servers are all up and loaded
one at a time, in turns; a row is the round of the median throughput, with the errors of all rounds. The same torch,
Pillow, numpy, weights (fixed seed, fp32) and thread count everywhere. "Model file" is
`examples/custom-model/model.py`, unedited on both servers, run by ours with `mooring-runtime run`; "bundled backend" is
our own AlexNet, which needs no code. The image is a JPEG of 500 x 375 pixels, {heading.jpeg_bytes // 1024} KiB,
base64 in a v1 body. Identity is `bench/runtime/programs/identity.py` with four numbers. Answers are compared before
anything is timed (numbers within 1e-4), then one second warms up. The load is `hey` with kept connections, on the same
cores; it took at most {busiest:.2f} CPUs. Errors are answers other than 200 and requests without one; requests/s counts
answers of 200. Others' CPUs are what the rest of the machine took, in the worst round; so is the probe of the health.
"""


def _scenarios(runs: Sequence[Run]) -> str:
    page = ""
    for scenario in dict.fromkeys(run.scenario for run in runs):
        page += f"## {scenario}\n\n{table(HEADER, [run.cells() for run in runs if run.scenario == scenario])}\n\n"
    return page
