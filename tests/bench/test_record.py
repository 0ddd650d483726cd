from dataclasses import replace
from pathlib import Path

from bench.runtime.agreement import Agreement
from bench.runtime.arms import Label, Target
from bench.runtime.load import Load
from bench.runtime.probe import Seen, summary
from bench.runtime.record import Measured, Stamp, read, write
from bench.runtime.rows import Limit, Run

RUN = Run(Label("ours", "bundled", Target(2.5, 0.5)), 32, Load(300, 1, 2.0, 0.1, 0.3), 1.5, 2**30, 0.1, 0.0)
SEEN = Agreement(200, 0.99, 0.05, 12.5)
STAMP = Stamp("2026-11-27 18:00", "abc", "2 cores", "EPYC", 2, 3, 3, {"KServe": "0.21.0"})


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    probed = replace(RUN, health=summary([Seen((), 3, 1.0)]), spread=(100.0, 200.0))
    measured = {"jpeg": Measured("JPEG", STAMP, [RUN, probed], {RUN.label.title: Limit(180, 16, 2)}, SEEN)}
    write(tmp_path / "runtime.json", measured)
    assert read(tmp_path / "runtime.json") == measured


def test_there_is_nothing_before_the_first_run(tmp_path: Path) -> None:
    assert read(tmp_path / "runtime.json") == {}
