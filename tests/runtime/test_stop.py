import asyncio
import signal

import pytest

from mooring_runtime.errors import StartupError
from mooring_runtime.stop import Stop


async def test_the_first_signal_asks_and_the_second_hurries() -> None:
    told: list[int] = []
    stop = Stop(told.append)
    stop.signalled(signal.SIGINT)
    assert (stop.asked.is_set(), stop.hurry.is_set()) == (True, False)
    stop.signalled(signal.SIGTERM)
    assert stop.hurry.is_set()
    assert told == [signal.SIGINT]


async def test_a_start_is_waited_for_unless_a_signal_comes_first() -> None:
    stop, gate = Stop(), asyncio.Event()
    async with asyncio.timeout(20):
        starting = asyncio.create_task(asyncio.sleep(0, "done"))
        assert (await stop.unless(starting)).result() == "done"
        hanging = asyncio.create_task(gate.wait())
        asyncio.get_running_loop().call_soon(stop.at_once)
        with pytest.raises(StartupError, match="told to stop"):
            await stop.unless(hanging)
    hanging.cancel()
