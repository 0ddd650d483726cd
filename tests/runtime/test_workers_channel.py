import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mooring_runtime.errors import InvalidInput, ModelLoadFailed, ModelMissingError, ModelNotFound, ServingError
from mooring_runtime.workers.channel import Channel, ChannelClosed
from mooring_runtime.workers.messages import (
    Beat,
    Call,
    CallFailed,
    Failed,
    Message,
    Reply,
    Whole,
    decode,
    encode,
    error_from_wire,
    error_to_wire,
)
from mooring_runtime.workers.place import Place


@pytest.mark.parametrize(
    "message",
    [
        Call(1, "load", ["m", None]),
        Reply(1, {"m": 2}),
        Reply(2, error=["ModelNotFound", "text\nof two lines"]),
        Beat(True),
        Failed("no \udcff port"),
        Whole("1 of 2"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_survives_the_wire_as_one_line(message: Message) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message


class Mine(InvalidInput):
    """A user's own kind."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ModelNotFound("m"), ModelNotFound),
        (ModelLoadFailed("It is broken.", "Mend it."), ModelLoadFailed),
        (ModelMissingError("/m"), ModelMissingError),
        (Mine("no"), InvalidInput),
        (KeyError("k"), CallFailed),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_an_error_is_told_as_it_was(error: Exception, kind: type[Exception]) -> None:
    got = error_from_wire(error_to_wire(error))
    assert type(got) is kind
    assert str(got) == (str(error) if isinstance(error, ServingError) else f"{type(error).__name__} : {error}")


@asynccontextmanager
async def pair(heard: list[Message]) -> AsyncIterator[tuple[Channel, socket.socket]]:
    """A channel whose other end is a channel that answers, and the socket to cut it by."""
    left, right = socket.socketpair()
    here, there = await Channel.open(left), await Channel.open(right)

    async def answer(verb: str, arguments: list[Any]) -> Any:
        if verb == "fail":
            raise ModelNotFound(arguments[0])
        if verb == "hang":
            await asyncio.Event().wait()
        return [verb, *arguments]

    async with asyncio.TaskGroup() as tasks:
        listening = [tasks.create_task(end.listen(tasks, answer, heard.append)) for end in (here, there)]
        try:
            yield here, right
        finally:
            for task in listening:
                task.cancel()


async def test_calls_are_answered_out_of_order_and_errors_are_raised() -> None:
    heard: list[Message] = []
    async with asyncio.timeout(20), pair(heard) as (channel, _):
        assert list(await asyncio.gather(channel.call("a", 1), channel.call("b"))) == [["a", 1], ["b"]]
        with pytest.raises(ModelNotFound, match="Model with name m does not exist"):
            await channel.call("fail", "m")
        channel.tell(Beat(True))
        await channel.call("after the beat")
    assert heard == [Beat(True)]


async def test_who_waits_for_an_end_that_goes_is_told() -> None:
    left, right = socket.socketpair()
    channel = await Channel.open(left)

    async def answer(verb: str, arguments: list[Any]) -> Any:
        raise AssertionError

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(channel.listen(tasks, answer, lambda message: None))
        waiting = tasks.create_task(asyncio.wait([asyncio.ensure_future(channel.call("hang"))]))
        await asyncio.get_running_loop().run_in_executor(None, right.recv, 1)  # the call is out
        right.close()
        ((done,), _) = await waiting
        assert isinstance(done.exception(), ChannelClosed)
        with pytest.raises(ChannelClosed):
            await channel.call("anything")
        channel.tell(Beat(True))  # to nobody


def test_a_place_is_the_worker_s_alone() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        inode = os.fstat(theirs.fileno()).st_ino
        place = Place(1, theirs.fileno(), inode, 80, 81, late=True, metrics="/m")
        assert Place.from_environ(place.environ()) == place
        assert Place.from_environ({}) is None
        assert Place.from_environ(Place(1, theirs.fileno(), inode + 1, 80, 81, True, "/m").environ()) is None
        place.fail("no port")
        assert decode(ours.recv(1000)) == Failed("no port")
    assert Place.from_environ(place.environ()) is None
