import math
from dataclasses import replace

from bench.runtime.arms import Label, Target
from bench.runtime.load import Load
from bench.runtime.rows import Limit, Run, health, limits, middle, middle_limit, ratios, scenario

KSERVE, OURS_LABEL = Label("KServe", ""), Label("ours", "bundled", Target(2.5, 0.5))
PEER = Run(KSERVE, 32, Load(100, 0, 2.0, 0.2, 0.4), 1.5, 2**30, 0.1, 0.0)
OURS = replace(PEER, label=OURS_LABEL, load=Load(300, 1, 2.0, 0.1, 0.3))


def test_ours_is_divided_by_the_peer_s_and_judged() -> None:
    assert ratios("JPEG", "EPYC", [PEER, OURS]) == [
        ("JPEG", "ours, bundled", "KServe", "EPYC", "3.00", "≥ 2.5", "yes", "0.75", "≤ 0.5", "**no**"),
    ]


def test_targets_are_against_kserve_alone() -> None:
    mlserver = replace(PEER, label=Label("MLServer", ""))
    assert [row[2:] for row in ratios("JPEG", "EPYC", [mlserver, OURS])] == [
        ("MLServer", "EPYC", "3.00", "", "", "0.75", "", "")
    ]


def test_only_servers_that_log_as_much_are_compared() -> None:
    quiet = replace(PEER, label=Label("KServe", "quiet", logs=False))
    assert ratios("JPEG", "EPYC", [quiet, OURS]) == []
    assert len(ratios("JPEG", "EPYC", [quiet, replace(OURS, label=replace(OURS_LABEL, logs=False))])) == 1


def test_ratios_are_of_full_load_and_the_scenario_s_rows_of_every_one() -> None:
    runs = [replace(PEER, connections=8), replace(OURS, connections=8), replace(OURS, connections=1)]
    assert ratios("JPEG", "EPYC", runs) == []
    assert [row[4] for row in scenario(runs)] == ["1.00", "3.00", "1.00"]


def test_a_peer_that_answers_nothing_has_no_ratio() -> None:
    mute = replace(PEER, load=replace(PEER.load, answered=0, p99_s=math.inf))
    assert ratios("JPEG", "EPYC", [mute, OURS])[0][4:] == ("",) * 6
    assert scenario([mute, OURS])[1][4] == ""


def test_the_probe_fails_its_target_by_a_slow_answer_or_a_missing_one() -> None:
    quick = Load(100, 0, 2.0, 0.001, 0.009)
    probes = [quick, replace(quick, p99_s=0.011), replace(quick, failed=1)]
    runs = [OURS, *(replace(OURS, health=probe) for probe in probes), replace(PEER, health=quick)]
    assert [row[-1] for row in health("JPEG", runs)] == ["yes", "**no**", "**no**", ""]


def test_nothing_is_decided_where_other_processes_computed() -> None:
    noisy = replace(PEER, others_cpus=0.5)
    assert [ratios("JPEG", "EPYC", [noisy, OURS])[0][column] for column in (6, 9)] == ["undecided", "undecided"]
    probed = replace(OURS, others_cpus=0.5, health=Load(100, 0, 2.0, 0.001, 0.009))
    assert health("JPEG", [probed])[0][-1] == "undecided"


def test_the_middle_round_stands_for_all_with_their_spread_and_errors() -> None:
    rounds = [replace(OURS, load=replace(OURS.load, answered=answered)) for answered in (500, 100, 300)]
    run = middle(rounds)
    assert (run.load.answered, run.load.failed, run.spread) == (300, 3, (50, 250))


def test_the_limit_is_the_median_round_s() -> None:
    assert middle_limit([Limit(3, 16, 2), Limit(1, 8, 2), Limit(2, 32, 1)]) == Limit(2, 32, 1)


def test_a_row_shows_throughput_latency_errors_and_cost() -> None:
    figures = ("150.0", "150.0 - 150.0", "3.00", "100.0", "300.0", "1")
    assert OURS.cells(PEER) == ("ours, bundled", "32", *figures, "1.50", "1024", "0.10", "0.00")


def test_a_server_is_judged_by_its_share_of_the_limit_at_full_load() -> None:
    runs = [PEER, OURS, replace(OURS, connections=8)]
    figures = ("150.0", "175.0", "batches of 16, 2 at once", "86%")
    assert limits("JPEG", runs, {OURS.label.title: Limit(175, 16, 2)}) == [
        ("JPEG", "ours, bundled", *figures, "≥ 85%", "yes"),
    ]
    assert limits("JPEG", runs, {OURS.label.title: Limit(180, 16, 2)})[0][-1] == "**no**"
