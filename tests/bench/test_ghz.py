import json
from typing import Any

import pytest
from bench.runtime.ghz import parse

REFUSED = 'rpc error: code = Unavailable desc = connection error: desc = "dial tcp: connect: connection refused"'


def printed(*calls: tuple[int, str], total_ns: int = 2_000_000_000) -> str:
    """As ghz prints it, less what nobody reads."""
    details: list[dict[str, Any]] | None = [
        {"timestamp": "2026-11-27T18:09:38Z", "latency": latency, "error": "", "status": status}
        for latency, status in calls
    ]
    errors = {REFUSED: 1} if any(status != "OK" for _, status in calls) else {}
    return json.dumps({"count": len(calls), "total": total_ns, "errorDistribution": errors, "details": details or None})


def test_only_good_answers_count_and_all_others_are_errors() -> None:
    load = parse(printed(*((n * 1_000_000, "OK") for n in range(1, 101)), (5_000, "Unavailable")))
    assert (load.answered, load.failed, load.per_second) == (100, 1, 50)
    assert (load.p50_s, load.p99_s) == (0.050, 0.099)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(printed((5_000, "Unavailable")), "connection refused", id="no good answer"),
        pytest.param(printed(), "no answer", id="no call"),
        pytest.param("ghz: error: unknown short flag '-y', try --help", "unknown short flag", id="no JSON"),
    ],
)
def test_a_run_without_answers_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse(text)
