import math

import pytest
from bench.runtime.wrk import parse

PRINTED = """Running 1s test @ http://127.0.0.1:18999/x
  1 threads and 4 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    37.98ms   15.01ms  48.02ms   85.44%
    Req/Sec   103.10     21.30   141.00     70.00%
  103 requests in 1.00s, 12.20KB read
  Socket errors: connect 0, read 11, write 0, timeout 0
  Non-2xx or 3xx responses: 23
Requests/sec:    102.92
Transfer/sec:     12.19KB
mooring answers=103 status=23 connect=0 read=11 write=0 timeout=0 duration=1000757 p50=43912 p99=48018
"""
GONE = """Running 1s test @ http://127.0.0.1:18999/x
  0 requests in 1.10s, 0.00B read
  Socket errors: connect 0, read 0, write 31431, timeout 0
mooring answers=0 status=0 connect=0 read=0 write=31431 timeout=0 duration=1099131 p50=0 p99=0
"""


def test_only_good_answers_count_and_all_others_are_errors() -> None:
    load = parse(PRINTED)
    assert (load.answered, load.failed) == (80, 34)
    assert load.per_second == pytest.approx(79.94, abs=0.01)
    assert (load.p50_s, load.p99_s) == (0.043912, 0.048018)


def test_a_first_answer_that_comes_too_late_is_no_error() -> None:
    load = parse(GONE.replace("write=31431", "write=0"))
    assert (load.answered, load.failed, load.p99_s) == (0, 0, math.inf)


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        pytest.param(GONE, "write=31431", id="no answer at all"),
        pytest.param("unable to connect to 127.0.0.1:1 Connection refused\n", "Connection refused", id="no connection"),
    ],
)
def test_a_run_without_answers_is_told(printed: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse(printed)
