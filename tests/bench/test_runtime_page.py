from dataclasses import replace

from bench.runtime.hey import Load
from bench.runtime.page import Run, Target, health, middle, ratios

PEER = Run("JPEG", "KServe", True, 32, Load(100, 0, 2.0, 0.2, 0.4), 1.5, 2**30, 0.1, 0.0)
OURS = replace(PEER, server="ours", is_peer=False, load=Load(300, 1, 2.0, 0.1, 0.3))
TARGETS = {"JPEG": Target(32, 2.5, 0.5)}


def test_ours_is_divided_by_the_peer_s_and_judged() -> None:
    assert ratios([PEER, OURS], TARGETS) == [
        ("JPEG: requests/s", "ours", "32", "3.00", "≥ 2.5", "yes"),
        ("JPEG: p99", "ours", "32", "0.75", "≤ 0.5", "**no**"),
    ]


def test_other_connections_have_ratios_but_no_target() -> None:
    peer, ours = replace(PEER, connections=1), replace(OURS, connections=1)
    assert [row[3:] for row in ratios([peer, ours], TARGETS)] == [("3.00", "", ""), ("0.75", "", "")]


def test_a_run_without_a_peer_has_no_ratio() -> None:
    assert ratios([replace(PEER, connections=8), OURS], TARGETS) == []


def test_a_peer_that_answers_nothing_has_no_ratio_either() -> None:
    rows = ratios([replace(PEER, load=replace(PEER.load, answered=0)), OURS], TARGETS)
    assert rows[0][3:] == ("", "", "")


def test_the_probe_fails_its_target_by_a_slow_answer_or_a_missing_one() -> None:
    quick = Load(100, 0, 2.0, 0.001, 0.009)
    probes = [quick, replace(quick, p99_s=0.011), replace(quick, failed=1)]
    rows = health([OURS, *(replace(OURS, health=probe) for probe in probes), replace(PEER, health=quick)])
    assert [row[-1] for row in rows] == ["yes", "**no**", "**no**", ""]


def test_nothing_is_decided_where_other_processes_computed() -> None:
    noisy = replace(PEER, others_cpus=0.5)
    assert [row[-1] for row in ratios([noisy, OURS], TARGETS)] == ["undecided", "undecided"]
    probed = replace(OURS, others_cpus=0.5, health=Load(100, 0, 2.0, 0.001, 0.009))
    assert health([probed])[0][-1] == "undecided"


def test_the_middle_round_stands_for_all_with_their_spread_and_errors() -> None:
    rounds = [replace(OURS, load=replace(OURS.load, answered=answered)) for answered in (500, 100, 300)]
    run = middle(rounds)
    assert (run.load.answered, run.load.failed, run.spread) == (300, 3, (50, 250))


def test_a_row_shows_throughput_latency_errors_and_cost() -> None:
    figures = ("150.0", "150.0 - 150.0", "100.0", "300.0", "1")
    assert OURS.cells() == ("ours", "32", *figures, "1.50", "1024", "0.00")
