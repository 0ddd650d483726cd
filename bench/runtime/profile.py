"""Where a server's time goes: `python -m bench.runtime.profile NAME` watches ours of a scenario at full load by py-spy.

It prints which share of the samples of busy threads is in which thread, and in which function, by itself and with all
that it calls. docs/performance.md is written from it.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.report import table
from bench.runtime import ghz, inputs, wrk
from bench.runtime.arms import Arm
from bench.runtime.measure import Generators, Place
from bench.runtime.rows import FULL
from bench.runtime.scenarios import SCENARIOS, Scenario
from bench.runtime.servers import serving
from mooring_runtime.lanes.cpu_limit import cpu_count

SECONDS = 8
WAITS = frozenset(
    {"Condition.wait (threading.py)", "_worker (concurrent/futures/thread.py)", "Thread.run (threading.py)"}
)
"""Where threads sleep, which py-spy does not always see that they do."""
SHOWN = 20


@dataclass(frozen=True)
class Profile:
    """Shares of all samples, the largest first."""

    threads: Mapping[str, float]
    own: Mapping[str, float]
    """By function, in its own lines or in what it calls that is not Python."""
    total: Mapping[str, float]
    """By function, with all that it calls."""


def parse(stacks: str) -> Profile:
    """Read py-spy's raw format with threads: `thread (ID): NAME;function (file);... COUNT` a line.

    Raises:
        ValueError: there is no sample.
    """
    threads: Counter[str] = Counter()
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        if not frames or frames[-1] in WAITS:
            continue
        threads[thread.rpartition(": ")[2].strip('"')] += int(count)
        own[frames[-1]] += int(count)
        for frame in set(frames):  # a function that calls itself counts once
            total[frame] += int(count)
    samples = threads.total()
    if not samples:
        raise ValueError("py-spy saw no busy thread")

    def shares(counts: Counter[str]) -> dict[str, float]:
        return {name: count / samples for name, count in counts.most_common()}

    return Profile(shares(threads), shares(own), shares(total))


def _watched(scenario: Scenario, arm: Arm, place: Place) -> str:
    """py-spy's stacks of a server at full load."""
    generators, stacks = Generators(wrk.find(), ghz.find()), place.folder / "stacks"
    spy = [str(Path(sys.executable).with_name("py-spy")), "record", "--threads", "--nolineno", "--format", "raw"]
    with serving(arm, place.environ, place.folder / "server") as server:
        generators.load(server, scenario.question, FULL, 2)  # warms up
        running = generators.start(server, scenario.question, FULL, SECONDS + 2)
        subprocess.run(
            [*spy, "--rate", "200", "-d", str(SECONDS), "-o", str(stacks), "-p", str(server.pid)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        running.communicate()
    return stacks.read_text()


def main() -> None:
    """Watch, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--of", default="ours", help="a server of it, by the beginning of its title (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as name:
        made = inputs.write(Path(name))
        scenario = SCENARIOS[options.scenario](made)
        arm = next((arm for arm in scenario.arms if arm.label.title.startswith(options.of)), None)
        if arm is None:
            parser.error(f"--of {options.of}: use one of {', '.join(arm.label.title for arm in scenario.arms)}")
        profile = parse(_watched(scenario, arm, Place(made, Path(name), cpu_count())))
    print(f"{scenario.title}: {arm.label.title}\n")
    for what, shares in (
        ("thread", profile.threads),
        ("by itself", profile.own),
        ("with what it calls", profile.total),
    ):
        rows = [(name, f"{share:.1%}") for name, share in list(shares.items())[:SHOWN]]
        print(table((what, "share"), rows), end="\n\n")


if __name__ == "__main__":
    main()
