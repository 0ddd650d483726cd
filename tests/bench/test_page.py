from bench.runtime.agreement import Agreement
from bench.runtime.arms import Label, Target
from bench.runtime.load import Load
from bench.runtime.page import markdown
from bench.runtime.record import Measured, Stamp
from bench.runtime.rows import Limit, Run

PEER = Run(Label("KServe", ""), 32, Load(100, 0, 2.0, 0.2, 0.4), 1.5, 2**30, 0.1, 0.0)
OURS = Run(Label("ours", "bundled", Target(2.5)), 32, Load(300, 1, 2.0, 0.1, 0.3), 1.5, 2**30, 0.1, 0.0)
STAMP = Stamp("2026-11-27 18:00", "abc", "2 cores", "EPYC", 2, 3, 3, {"KServe": "0.21.0"})
MEASURED = Measured("JPEG", STAMP, [PEER, OURS], {"ours, bundled": Limit(175, 16, 2)}, Agreement(200, 0.95, 0.6, 26.2))
NO_GPU = "Skipped: no GPU."


def test_a_scenario_has_its_runs_ratios_limit_and_agreement_and_says_where_they_are_from() -> None:
    page = markdown([MEASURED], 36_000, "")
    assert "commit abc, 2 cores, 2 threads for torch, KServe 0.21.0, 3 rounds of 3 s." in page
    assert "| JPEG | ours, bundled | KServe | EPYC | 3.00 | ≥ 2.5 | yes |" in page
    assert "| JPEG | ours, bundled | 150.0 | 175.0 | batches of 16, 2 at once | 86% | ≥ 85% | yes |" in page
    assert "| JPEG | 200 | 95.0% | 0.6000 | 26.20 |" in page
    assert "35 KiB" in page


def test_a_machine_without_a_gpu_is_told_by_a_line() -> None:
    assert f"## GPU\n\n{NO_GPU}\n" in markdown([MEASURED], 36_000, NO_GPU)
    assert "## GPU" not in markdown([MEASURED], 36_000, "")
