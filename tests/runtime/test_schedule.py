import asyncio
from typing import Any

import pytest

from mooring_runtime.errors import DeadlineExceeded, InvalidInput
from mooring_runtime.lanes.schedule import deadline, priority_of, timeout_s


@pytest.mark.parametrize(
    ("parameters", "headers", "expected"),
    [
        ({}, {}, None),
        ({"timeout": 0}, {}, None),
        ({"timeout": 1500}, {}, 0.0015),
        ({}, {"x-request-timeout-ms": "250"}, 0.25),
        ({"timeout": 2_000_000}, {"x-envoy-expected-rq-timeout-ms": "15000"}, 2.0),
    ],
    ids=["unsaid", "zero", "parameter", "header", "smallest"],
)
def test_the_smallest_timeout_counts(
    parameters: dict[str, Any], headers: dict[str, str], expected: float | None
) -> None:
    assert timeout_s(parameters, headers) == expected


@pytest.mark.parametrize("value", ["1", -1, 1.5, True], ids=str)
def test_faulty_parameters_are_named(value: Any) -> None:
    with pytest.raises(InvalidInput, match="parameter priority"):
        priority_of({"priority": value})
    with pytest.raises(InvalidInput, match="parameter timeout"):
        timeout_s({"timeout": value}, {})


@pytest.mark.parametrize("text", ["1s", "-1", "", "9" * 400, "9" * 5000], ids=lambda text: text[:3] + str(len(text)))
def test_a_faulty_header_is_named(text: str) -> None:
    with pytest.raises(InvalidInput, match=f"x-request-timeout-ms is '{text[:20]}"):
        timeout_s({}, {"x-request-timeout-ms": text})


async def test_the_longest_timeout_can_be_waited_for() -> None:
    longest = [timeout_s({"timeout": 2**64 - 1}, {}), timeout_s({}, {"x-request-timeout-ms": "9" * 15})]
    async with deadline("m", longest[0]), deadline("m", longest[1]):
        await asyncio.sleep(0)


async def test_a_model_s_own_timeout_is_not_the_deadline() -> None:
    with pytest.raises(TimeoutError):
        async with deadline("m", 10):
            raise TimeoutError
    with pytest.raises(DeadlineExceeded):
        async with deadline("m", None, 0.001):
            await asyncio.Event().wait()
