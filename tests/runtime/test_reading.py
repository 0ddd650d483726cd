import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from mooring_runtime.rest_api.reading import PIECES_A_TURN, Turns


@dataclass
class Connection:
    """What `Turns` knows of uvicorn's protocol."""

    loop: asyncio.AbstractEventLoop
    read_paused: bool = False
    is_closed: bool = False
    resumed: int = 0
    flow: Any = field(init=False)
    transport: Any = field(init=False)

    def __post_init__(self) -> None:
        self.flow = self.transport = self

    def pause_reading(self) -> None:
        self.read_paused = True

    def resume_reading(self) -> None:
        self.read_paused = False
        self.resumed += 1

    def is_closing(self) -> bool:
        return self.is_closed


async def a_turn() -> None:
    await asyncio.sleep(0)


@pytest.fixture
async def connections() -> list[Connection]:
    return [Connection(asyncio.get_running_loop()) for _ in range(2 * PIECES_A_TURN + 1)]


async def test_a_few_go_on_each_turn_in_the_order_in_which_they_came(connections: list[Connection]) -> None:
    turns = Turns()
    for connection in connections:
        turns.take(connection)  # type: ignore[arg-type]
    assert all(connection.read_paused for connection in connections)
    for done in (PIECES_A_TURN, 2 * PIECES_A_TURN, len(connections), len(connections)):
        await a_turn()
        assert [connection.resumed for connection in connections] == [n < done for n in range(len(connections))]


async def test_a_connection_that_closed_is_passed_over(connections: list[Connection]) -> None:
    turns, (first, second, *_) = Turns(), connections
    for connection in (first, second):
        turns.take(connection)  # type: ignore[arg-type]
    first.is_closed = True
    await a_turn()
    assert (first.resumed, second.resumed) == (0, 1)


async def test_a_connection_that_waits_for_something_else_goes_on_waiting(connections: list[Connection]) -> None:
    turns, (first, second, *_) = Turns(), connections
    first.pause_reading()
    for connection in (first, second):
        turns.take(connection)  # type: ignore[arg-type]
    await a_turn()
    assert (first.resumed, second.resumed) == (0, 1)
