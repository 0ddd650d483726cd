"""`make bench-runtime`: KServe, MLServer and Mooring's runtime under the same load; writes `bench/results/runtime.md`.

Give options by ARGS: `make bench-runtime ARGS="--only identity,grpc"`.
"""

import argparse
import platform
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from e2e.target import ROOT

from bench.report import machine
from bench.runtime import ghz, inputs, record, wrk
from bench.runtime.measure import Generators, Length, Place, measure, measure_agreement
from bench.runtime.page import markdown
from bench.runtime.peers import KSERVE, MLSERVER
from bench.runtime.record import RESULTS, Measured, Stamp
from bench.runtime.scenarios import GPU, SCENARIOS
from mooring_runtime.lanes.cpu_limit import cpu_count

FULL_LENGTH, QUICK_LENGTH = Length(3, 3), Length(1, 1)


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(SCENARIOS):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: use some of {', '.join(SCENARIOS)}")
    return names


def _parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=_names, default=list(SCENARIOS), help=f"some of {','.join(SCENARIOS)}")
    parser.add_argument("--seconds", type=int, default=FULL_LENGTH.seconds, help="of a round (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one round of 1 s instead of 3 of 3 s; only prints")
    return parser.parse_args(argv)


def _processor(of_gpu: bool) -> str:
    """Its name."""
    if of_gpu:
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _stamp(length: Length, threads: int, of_gpu: bool) -> Stamp:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    peers = {"KServe": KSERVE.release(), "MLServer": MLSERVER.release()}
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
    return Stamp(when, commit.strip(), machine(), _processor(of_gpu), threads, length.seconds, length.rounds, peers)


def main() -> None:
    """Measure, report."""
    options = _parsed()
    length = QUICK_LENGTH if options.quick else replace(FULL_LENGTH, seconds=options.seconds)
    cpus = cpu_count()
    no_gpu = "" if torch.cuda.is_available() else f"Skipped: torch {torch.__version__} sees no GPU on this machine."
    generators = Generators(wrk.find(), ghz.find())
    for peer in (KSERVE, MLSERVER):
        peer.install()
    file = RESULTS / "runtime.json"
    measured = {} if options.quick else record.read(file)
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as name:
        made = inputs.write(Path(name))
        for key in options.only:
            if key in GPU and no_gpu:
                print(f"{key}: {no_gpu}", flush=True)
                continue
            place, scenario = Place(made, Path(name) / key, cpus), SCENARIOS[key](made)
            place.folder.mkdir()
            stamp = _stamp(length, cpus, key in GPU)
            runs, limits = measure(scenario, generators, place, length)
            measured[key] = Measured(scenario.title, stamp, runs, limits, measure_agreement(scenario, place))
    page = markdown([measured[key] for key in SCENARIOS if key in measured], made.jpeg_bytes, no_gpu)
    if not options.quick:
        record.write(file, measured)
        (RESULTS / "runtime.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
