from pathlib import Path

import pytest
from bench.runtime.inputs import Inputs
from bench.runtime.scenarios import GPU, SCENARIOS

HERE = Path()
MADE = Inputs(HERE, HERE, HERE, HERE, HERE, 145, HERE, HERE, HERE, HERE, 36_000)


@pytest.mark.parametrize("name", SCENARIOS)
def test_kserve_is_what_all_others_are_divided_by(name: str) -> None:
    first, *others = SCENARIOS[name](MADE).arms
    assert first.label.side == "KServe"
    assert any(arm.label.side == "ours" for arm in others)


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_two_servers_of_a_scenario_have_one_title(name: str) -> None:
    titles = [arm.label.title for arm in SCENARIOS[name](MADE).arms]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_server_is_told_its_ports(name: str) -> None:
    for arm in SCENARIOS[name](MADE).arms:
        words = {*arm.command, *arm.environ.values()}
        assert {"{http}", "{grpc}"} <= words


def test_targets_are_for_this_processor_not_for_a_gpu() -> None:
    assert all(arm.label.target is None for name in GPU for arm in SCENARIOS[name](MADE).arms)
