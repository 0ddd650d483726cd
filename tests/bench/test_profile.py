import pytest
from bench.runtime.profile import parse

STACKS = """thread (0x7F): "MainThread";main (cli.py);run (server.py);loads (wire.py) 30
thread (0x7F): "MainThread";main (cli.py);run (server.py);run (server.py) 10
thread (0x81): "watch";run (watch.py);Condition.wait (threading.py) 50
thread (0x80): "lane_0";_drain (lane.py);forward (alexnet.py) 60
"""


def test_samples_are_shared_out_by_thread_and_by_function() -> None:
    profile = parse(STACKS)
    assert profile.threads == {"lane_0": 0.6, "MainThread": 0.4}
    assert profile.own == {"forward (alexnet.py)": 0.6, "loads (wire.py)": 0.3, "run (server.py)": 0.1}
    assert profile.total["run (server.py)"] == 0.4


def test_a_server_that_did_nothing_is_told() -> None:
    with pytest.raises(ValueError, match="no busy thread"):
        parse("")
