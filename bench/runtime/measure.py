"""Loads the servers of a scenario in turns, and reads what each of them gave and took."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import grpc
import numpy as np

from bench.meters import machine_cpu_s
from bench.runtime import ghz, wrk
from bench.runtime.arms import Arm
from bench.runtime.load import FINISH_S, Load, Question
from bench.runtime.probe import Probe
from bench.runtime.rows import CONNECTIONS, FULL, Run, middle
from bench.runtime.scenarios import Scenario
from bench.runtime.servers import Server, ask, serving
from mooring_runtime import InferResponse
from mooring_runtime.datatypes import Array
from mooring_runtime.grpc_api.messages import message


@dataclass(frozen=True)
class Length:
    """How long each server is loaded, and how often."""

    seconds: int
    rounds: int


@dataclass(frozen=True)
class Generators:
    """The programs that send."""

    wrk: str
    ghz: str

    def load(self, server: Server, question: Question, connections: int, seconds: int) -> Load:
        """Send for `seconds`, wait for the last answers.

        Raises:
            SystemExit: nothing was answered.
        """
        if question.by_grpc:
            running = ghz.start(self.ghz, server.grpc_port, question, connections, seconds)
        else:
            running = wrk.start(self.wrk, server.http_port, question, connections, seconds)
        try:
            printed, _ = running.communicate(timeout=seconds + FINISH_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            raise SystemExit(f"the load did not end: the server owes answers for more than {FINISH_S} s") from None
        try:
            return ghz.parse(printed) if question.by_grpc else wrk.parse(printed)
        except ValueError as exc:
            raise SystemExit(str(exc)) from None


def measure(
    scenario: Scenario, generators: Generators, environ: Mapping[str, str], folder: Path, length: Length
) -> Iterator[Run]:
    """Start a scenario's servers, compare their answers, load them in turns."""
    with ExitStack() as stack:
        running = [
            (arm, stack.enter_context(serving(arm, environ, folder / str(number))))
            for number, arm in enumerate(scenario.arms)
        ]
        _compare_answers(scenario.question, running)
        for _, server in running:  # warms up
            generators.load(server, scenario.question, 8, 1)
        for connections in CONNECTIONS:
            rounds = [
                [_run(scenario, generators, *each, connections, length.seconds) for each in running]
                for _ in range(length.rounds)
            ]
            for runs in zip(*rounds, strict=True):
                run = middle(runs)
                print(f"{scenario.title}: {' | '.join(run.cells())}", flush=True)
                yield run


def _run(scenario: Scenario, generators: Generators, arm: Arm, server: Server, connections: int, seconds: int) -> Run:
    before, client, machine, begun = server.usage(), _children_cpu_s(), machine_cpu_s(), time.monotonic()
    probe = Probe(server.http_port) if scenario.is_probed and connections == FULL else None
    if probe:
        probe.start()
    seen = generators.load(server, scenario.question, connections, seconds)
    spent, wall = server.usage() - before, time.monotonic() - begun
    health = probe.seen(wall) if probe else None
    of_client = _children_cpu_s() - client
    others = max(0.0, machine_cpu_s() - machine - spent.cpu_s - of_client) / wall
    return Run(arm.label, connections, seen, spent.cpu_s / wall, spent.memory_bytes, of_client / wall, others, health)


def _children_cpu_s() -> float:
    """CPU time of the load generators that ended; the servers end later than they are asked."""
    spent = getrusage(RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _compare_answers(question: Question, running: Sequence[tuple[Arm, Server]]) -> None:
    first: Array | None = None
    for arm, server in running:
        answer = _answer(question, server, arm.label.title)
        first = answer if first is None else first
        if answer.size != first.size or not np.allclose(answer, first, 1e-4, 1e-4):
            raise SystemExit(f"{arm.label.title} answers {answer}, not {first}: there is nothing to compare.")


def _answer(question: Question, server: Server, title: str) -> Array:
    """The numbers of its answer, flat."""
    body = question.body.read_bytes()
    if question.by_grpc:
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            call = channel.unary_unary(f"/{question.path}", None, message("ModelInferResponse").FromString)
            return InferResponse.from_grpc_message(call(body, timeout=FINISH_S)).outputs[0].as_numpy().ravel()
    status, answer = ask(server.http_port, "POST", question.path, body, question.headers)
    if status != 200:
        raise SystemExit(f"{title} answers {status}: {answer[:300]!r}")
    document = json.loads(answer)
    numbers: Array = np.ravel(document["predictions"] if "predictions" in document else document["outputs"][0]["data"])
    return numbers
