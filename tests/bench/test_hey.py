import pytest
from bench.runtime.hey import parse

SUMMARY = """
Summary:
  Total:	2.0000 secs
  Slowest:	0.0318 secs
  Fastest:	0.0004 secs
  Average:	0.0027 secs
  Requests/sec:	1461.4508

Response time histogram:
  0.000 [1]	|
  0.004 [1221]	|■■■■

Latency distribution:
  50%% in 0.0018 secs
  95%% in 0.0070 secs
  99%% in 0.0199 secs

Details (average, fastest, slowest):
  DNS+dialup:	0.0002 secs, 0.0000 secs, 0.0025 secs

Status code distribution:
  [200]	1400 responses
  [503]	80 responses
"""
ERRORS = """
Error distribution:
  [5]	Post "http://127.0.0.1:1/": EOF
  [2]	Post "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused
"""


def test_only_answers_of_200_count_and_all_others_are_errors() -> None:
    load = parse(SUMMARY + ERRORS)
    assert (load.answered, load.failed) == (1400, 87)
    assert load.per_second == 700
    assert (load.p50_s, load.p99_s) == (0.0018, 0.0199)


def test_the_slowest_answer_stands_for_a_percentile_that_too_few_answers_have() -> None:
    assert parse(SUMMARY.replace("  99%% in 0.0199 secs\n", "")).p99_s == 0.0318


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        pytest.param("Summary:\n  Total:\t0.1 secs\n" + ERRORS, "connection refused", id="no answer at all"),
        pytest.param("open body.json: no such file", "no such file", id="no summary"),
    ],
)
def test_a_run_without_answers_is_told(printed: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse(printed)
