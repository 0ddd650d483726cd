"""`make bench-runtime`: KServe and Mooring's runtime under the same load; writes `bench/results/runtime.md`.

`--quick` has shorter rounds.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import numpy as np
from e2e.target import ROOT

from bench.meters import machine_cpu_s
from bench.runtime import hey, inputs, peers
from bench.runtime.arms import IDENTITY, JPEG, Arm, arms
from bench.runtime.page import RESULTS, Heading, Run, Target, markdown, middle
from bench.runtime.servers import Server, ask, serving
from mooring_runtime.cpu_limit import cpu_count

CONNECTIONS = (1, 8, 32)
FULL = 32
TARGETS = {JPEG: Target(FULL, 2.5, 0.5), IDENTITY: Target(FULL, 5.0)}
"""Issue 4, section 5.2."""
PROBE = ("-q", "50")


@dataclass(frozen=True)
class Length:
    """How long each server is loaded, and how often."""

    seconds: float
    rounds: int = 3


FULL_LENGTH, QUICK_LENGTH = Length(4.0), Length(1.5)


def measure(scenario: Sequence[Arm], environ: Mapping[str, str], folder: Path, length: Length) -> Iterator[Run]:
    """Start a scenario's servers, compare their answers, load them in turns."""
    program = hey.find()
    with ExitStack() as stack:
        running: list[tuple[Arm, Server]] = []
        for number, arm in enumerate(scenario):
            log = folder / f"{number}.log"
            running.append((arm, stack.enter_context(serving(arm.command, environ, log))))
        _compare_answers(running)
        for arm, server in running:
            hey.finish(hey.start(program, server.url(arm.path), 8, 1, arm.body), 1)
        for connections in CONNECTIONS:
            rounds = [[_load(program, *each, connections, length) for each in running] for _ in range(length.rounds)]
            for runs in zip(*rounds, strict=True):
                run = middle(runs)
                print(f"{run.scenario}: {' | '.join(run.cells())}", flush=True)
                yield run


def _compare_answers(running: Sequence[tuple[Arm, Server]]) -> None:
    answers = []
    for arm, server in running:
        status, body = ask(server.port, "POST", arm.path, arm.body.read_bytes())
        if status != 200:
            raise SystemExit(f"{arm.title} answers {status}: {body[:300]!r}")
        answers.append(json.loads(body)["predictions"])
        if np.shape(answers[-1]) != np.shape(answers[0]) or not np.allclose(answers[-1], answers[0], 1e-4, 1e-4):
            raise SystemExit(f"{arm.title} answers {answers[-1]}, not {answers[0]}: there is nothing to compare.")


def _load(program: str, arm: Arm, server: Server, connections: int, length: Length) -> Run:
    seconds = length.seconds
    before, client, machine, begun = server.usage(), _children_cpu_s(), machine_cpu_s(), time.monotonic()
    load = hey.start(program, server.url(arm.path), connections, seconds, arm.body)
    with_probe = connections == FULL and arm.scenario == JPEG
    probe = hey.start(program, server.url("/v2/health/live"), 1, seconds, None, PROBE) if with_probe else None
    seen = hey.finish(load, seconds)
    health = hey.finish(probe, seconds) if probe else None
    spent, wall = server.usage() - before, time.monotonic() - begun
    of_client = _children_cpu_s() - client
    others = max(0.0, machine_cpu_s() - machine - spent.cpu_s - of_client) / wall
    place = (arm.scenario, arm.title, arm.is_peer, connections)
    return Run(*place, seen, spent.cpu_s / wall, spent.memory_bytes, of_client / wall, others, health)


def _children_cpu_s() -> float:
    """CPU time of the load generators that ended; the servers end later than they are asked."""
    spent = getrusage(RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def main() -> None:
    """Measure, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter; the page says so")
    quick = parser.parse_args().quick
    length, threads = QUICK_LENGTH if quick else FULL_LENGTH, cpu_count()
    python = peers.kserve_python()
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as name:
        folder = Path(name)
        made = inputs.write(folder)
        environ = {"TORCH_HOME": str(made.torch_home), "OMP_NUM_THREADS": str(threads)}
        for _, scenario in groupby(arms(python, made), key=lambda arm: arm.scenario):
            runs += measure(list(scenario), environ, folder, length)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    release = peers.kserve_version(python)
    heading = Heading(commit.strip(), release, length.seconds, length.rounds, threads, made.jpeg_bytes, quick)
    page = markdown(runs, TARGETS, heading)
    RESULTS.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
