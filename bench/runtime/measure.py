"""Loads the servers of a scenario in turns, and reads what each of them gave and took."""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from bench.meters import machine_cpu_s
from bench.runtime import agreement, answers, ghz, limit, wrk
from bench.runtime.agreement import Agreement
from bench.runtime.arms import Arm, Work
from bench.runtime.inputs import Inputs, picture
from bench.runtime.load import FINISH_S, Load, Question
from bench.runtime.probe import Probe
from bench.runtime.rows import CONNECTIONS, FULL, Limit, Run, middle, middle_limit
from bench.runtime.scenarios import Scenario
from bench.runtime.servers import Server, serving

PICTURES = 200
TRIES = 2
"""Of a round, where other processes compute meanwhile."""
IDLE_CPUS = 0.1
SETTLE_S = 20
LOOK_S = 0.25


@dataclass(frozen=True)
class Length:
    """How long each server is loaded, and how often."""

    seconds: int
    rounds: int


@dataclass(frozen=True)
class Place:
    """What all servers of a scenario share."""

    made: Inputs
    folder: Path
    cpus: int

    @property
    def environ(self) -> Mapping[str, str]:
        """Of every process."""
        return {"TORCH_HOME": str(self.made.torch_home), "OMP_NUM_THREADS": str(self.cpus)}


@dataclass(frozen=True)
class Generators:
    """The programs that send."""

    wrk: str
    ghz: str

    def start(self, server: Server, question: Question, connections: int, seconds: int) -> subprocess.Popen[str]:
        """Begin to send."""
        if question.protocol == "grpc":
            return ghz.start(self.ghz, server.grpc_port, question, connections, seconds)
        return wrk.start(self.wrk, server.http_port, question, connections, seconds)

    def load(self, server: Server, question: Question, connections: int, seconds: int) -> Load:
        """Send for `seconds`, wait for the last answers.

        Raises:
            SystemExit: there were errors alone, or no end.
        """
        running = self.start(server, question, connections, seconds)
        try:
            printed, _ = running.communicate(timeout=seconds + FINISH_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            raise SystemExit(f"the load did not end: the server owes answers for more than {FINISH_S} s") from None
        try:
            return ghz.parse(printed) if question.protocol == "grpc" else wrk.parse(printed)
        except ValueError as exc:
            raise SystemExit(str(exc)) from None


def measure(
    scenario: Scenario, generators: Generators, place: Place, length: Length
) -> tuple[list[Run], dict[str, Limit]]:
    """Start a scenario's servers, compare their answers, load them in turns.

    Returns:
        The runs, and what arms that batch could do without a server, by their titles.
    """
    with ExitStack() as stack:
        running = [
            (arm, stack.enter_context(serving(arm, place.environ, place.folder / str(number))))
            for number, arm in enumerate(scenario.arms)
        ]
        answers.compare(scenario.question, running)
        for _, server in running:  # warms up
            generators.load(server, scenario.question, 8, 1)
        runs: list[Run] = []
        limits: dict[str, list[Limit]] = {}
        for connections in CONNECTIONS:
            rounds: list[list[Run]] = []
            for _ in range(length.rounds):
                rounds.append([_run(scenario, generators, *each, connections, length.seconds) for each in running])
                if connections == FULL:
                    for title, found in _limits(scenario, place, length.seconds / 3):
                        limits.setdefault(title, []).append(found)
            runs += _middles(scenario, rounds)
    return runs, {title: middle_limit(found) for title, found in limits.items()}


def _limits(scenario: Scenario, place: Place, seconds: float) -> Iterator[tuple[str, Limit]]:
    """What each arm that batches could do without a server just now, by its title."""
    for label in (arm.label for arm in scenario.arms):
        if label.work:
            _settle()
            found = limit.measure(label.work, scenario.question, place.made, place.cpus, seconds, place.environ)
            print(f"{scenario.title}: {label.title}: {found}", flush=True)
            yield label.title, found


def _middles(scenario: Scenario, rounds: Sequence[Sequence[Run]]) -> Iterator[Run]:
    for runs in zip(*rounds, strict=True):
        run = middle(runs)
        print(f"{scenario.title}: {' | '.join(run.cells())}", flush=True)
        yield run


def measure_agreement(scenario: Scenario, place: Place) -> Agreement | None:
    """Of the fast profile with the exact one, where the scenario has images for both."""
    works = [arm.label.work for arm in scenario.arms if arm.label.work]
    if Work("image", profile="fast") not in works:
        return None
    return agreement.measure(place.made.model_dir, [picture(seed) for seed in range(PICTURES)], place.cpus)


def _run(scenario: Scenario, generators: Generators, arm: Arm, server: Server, connections: int, seconds: int) -> Run:
    """The first of some tries that has the machine to itself, or the one with the least company."""
    tries: list[Run] = []
    while len(tries) < TRIES and not (tries and tries[-1].is_quiet):
        _settle()
        tries.append(_try(scenario, generators, arm, server, connections, seconds))
    return min(tries, key=lambda run: run.others_cpus)


def _settle() -> None:
    """Wait until nothing computes: servers go on for clients that have left."""
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        begun, before = time.monotonic(), machine_cpu_s()
        time.sleep(LOOK_S)
        if machine_cpu_s() - before <= IDLE_CPUS * (time.monotonic() - begun):
            return


def _try(scenario: Scenario, generators: Generators, arm: Arm, server: Server, connections: int, seconds: int) -> Run:
    before, client, bench, machine = server.usage(), _cpu_s(RUSAGE_CHILDREN), _cpu_s(RUSAGE_SELF), machine_cpu_s()
    begun = time.monotonic()
    probe = Probe(server.http_port) if scenario.is_probed and connections == FULL else None
    if probe:
        probe.start()
    seen = generators.load(server, scenario.question, connections, seconds)
    spent, wall = server.usage() - before, time.monotonic() - begun
    of_client = _cpu_s(RUSAGE_CHILDREN) - client
    ours = spent.cpu_s + of_client + _cpu_s(RUSAGE_SELF) - bench
    others = max(0.0, machine_cpu_s() - machine - ours) / wall
    asked = probe.seen(wall) if probe else None  # its last answer may take long
    costs = (spent.cpu_s / wall, spent.memory_bytes, of_client / wall, others)
    return Run(arm.label, connections, seen, *costs, probe=asked)


def _cpu_s(whose: int) -> float:
    """CPU time of this process, or of the load generators that ended; the servers end later than they are asked."""
    spent = getrusage(whose)
    return spent.ru_utime + spent.ru_stime
