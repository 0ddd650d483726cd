"""One end of the socket pair between supervisor and worker: notices, and calls that are answered."""

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from mooring_runtime.workers.messages import Call, Message, Reply, decode, encode, error_from_wire, error_to_wire

LINE_BYTES = 64 * 1024 * 1024
"""The longest line: statistics of many models, or the list of them."""


class ChannelClosed(Exception):
    """The other end is gone."""

    def __init__(self) -> None:
        super().__init__("the process at the other end is gone")


class Channel:
    """Made by `open`; `listen` runs it.

    Attributes:
        ended: Whether the other end is gone, or nobody listens here any more.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count()
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self.ended = False

    @classmethod
    async def open(cls, end: socket.socket) -> "Channel":
        """Take over one end of the pair."""
        return cls(*await asyncio.open_connection(sock=end, limit=LINE_BYTES))

    def tell(self, message: Message) -> None:
        """Send; to nobody when the other end is gone."""
        if not self._writer.is_closing():
            self._writer.write(encode(message))

    async def call(self, verb: str, *arguments: Any) -> Any:
        """Have the other end do something.

        Raises:
            ChannelClosed: it is gone, or went meanwhile.
            ServingError: it failed, as it would have here.
            CallFailed: it failed otherwise.
        """
        if self.ended:
            raise ChannelClosed
        number = next(self._numbers)
        answer = self._calls[number] = asyncio.get_running_loop().create_future()
        self.tell(Call(number, verb, list(arguments)))
        try:
            return await answer
        finally:
            del self._calls[number]

    async def listen(
        self,
        tasks: asyncio.TaskGroup,
        answer: Callable[[str, list[Any]], Awaitable[Any]],
        hear: Callable[[Message], None],
    ) -> None:
        """Take what comes, until the other end is gone.

        Args:
            tasks: Owns the answers; they are finished even when nobody waits for them any more.
            answer: Does what a call asks for.
            hear: Takes the notices.
        """
        try:
            with suppress(ConnectionError):
                while line := await self._reader.readline():
                    message = decode(line)
                    if isinstance(message, Call):
                        tasks.create_task(self._reply(message, answer))
                    elif isinstance(message, Reply):
                        self._take(message)
                    else:
                        hear(message)
        finally:
            self.ended = True
            self._writer.close()
            for waiting in self._calls.values():
                if not waiting.done():
                    waiting.set_exception(ChannelClosed())

    def _take(self, reply: Reply) -> None:
        waiting = self._calls.get(reply.number)
        if waiting is None or waiting.done():  # whoever asked was cancelled
            return
        if reply.error is None:
            waiting.set_result(reply.result)
        else:
            waiting.set_exception(error_from_wire(reply.error))

    async def _reply(self, call: Call, answer: Callable[[str, list[Any]], Awaitable[Any]]) -> None:
        try:
            reply = Reply(call.number, await answer(call.verb, call.arguments))
        except Exception as exc:  # handed to the caller
            reply = Reply(call.number, error=error_to_wire(exc))
        self.tell(reply)
