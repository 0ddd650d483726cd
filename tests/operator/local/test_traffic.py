"""Pods wait for requests under way."""

import asyncio

from mooring_operator.local.traffic import Traffic


async def test_quiet_waits_for_the_last_request_to_one_of_the_ports() -> None:
    traffic = Traffic()
    with traffic.request(3):
        with traffic.request(1), traffic.request(1):
            waiting = asyncio.create_task(traffic.quiet(frozenset({1, 2}), 10))
            await asyncio.sleep(0)
            assert not waiting.done()
        await asyncio.wait_for(waiting, 5)


async def test_quiet_has_bounded_patience() -> None:
    traffic = Traffic()
    with traffic.request(1):
        await asyncio.wait_for(traffic.quiet(frozenset({1}), 0.01), 5)


async def test_a_failed_request_has_ended_too() -> None:
    traffic = Traffic()
    try:
        with traffic.request(1):
            raise ConnectionError
    except ConnectionError:
        await asyncio.wait_for(traffic.quiet(frozenset({1}), 10), 5)
