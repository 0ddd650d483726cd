"""The supervisor's side of one worker: its process and its channel."""

import asyncio
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Any

from mooring_runtime.workers.channel import Channel
from mooring_runtime.workers.messages import Beat, Failed, Message
from mooring_runtime.workers.place import Place

LEAVE_S = 15
"""How long a worker may go on without its channel: with what its program does behind `start`, or a thread's end."""


LAST_WORDS_S = 1
"""How long what a process wrote before it ended may take to be read."""


class Worker:
    """Made by `spawn`.

    Attributes:
        index: Its number, which a replacement takes over.
        pid: Its process.
        late: Whether others served already when it was started.
        ready: Whether it said so, and lives.
        served_s: How long it was ready, once it has ended.
        silent_ticks: Ticks of the supervisor since it last beat; None before it was ready, since imports and loads of
            a start may hold up its loop.
        reason: Why it could not serve, in its own words.
    """

    def __init__(self, index: int, late: bool, process: subprocess.Popen[bytes], channel: Channel) -> None:
        self.index = index
        self.pid = process.pid
        self.late = late
        self.ready = False
        self.served_s = 0.0
        self._began = 0.0
        self.silent_ticks: int | None = None
        self.reason = ""
        self._process = process
        self._status = _status_of(process)
        self._channel = channel
        self.call = channel.call
        self.tell = channel.tell

    @classmethod
    async def spawn(cls, command: Sequence[str], environ: Mapping[str, str], place: Place) -> "Worker":
        """Start `command` as the worker of `place`, whose channel is filled in here.

        It is in a process group of its own: Ctrl-C reaches the supervisor alone, which tells the workers in order.
        """
        process, ours = _start(command, environ, place)
        return cls(place.index, place.late, process, await Channel.open(ours))

    async def ended(
        self,
        tasks: asyncio.TaskGroup,
        answer: Callable[["Worker", str, list[Any]], Awaitable[Any]],
        changed: Callable[[], None],
    ) -> str:
        """Serve the worker until its process is gone; answers how it ended.

        Args:
            tasks: Owns what it asks for.
            answer: Does what it asks for.
            changed: Called when it becomes ready.
        """

        def hear(message: Message) -> None:
            if isinstance(message, Failed):
                self.reason = message.reason
            elif isinstance(message, Beat) and message.ready:
                self.silent_ticks = 0
                if not self.ready:
                    self.ready, self._began = True, monotonic()
                    changed()

        listening = tasks.create_task(
            self._channel.listen(tasks, lambda verb, arguments: answer(self, verb, arguments), hear)
        )
        try:
            await asyncio.wait((listening, self._status), return_when=asyncio.FIRST_COMPLETED)
            if self.ready:
                self.ready, self.served_s = False, monotonic() - self._began
            status = await self._left()
            await asyncio.wait((listening,), timeout=LAST_WORDS_S)
        finally:
            listening.cancel()
        return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"

    async def _left(self) -> int:
        """The status of the process, which goes soon. Those that it forked go with it.

        They have its listening sockets, to which the kernel would still give its share of the connections.
        """
        try:
            status = await asyncio.wait_for(asyncio.shield(self._status), LEAVE_S)
        except TimeoutError:
            status = await self.kill()
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return status

    async def kill(self) -> int:
        """End it now; answers its status when it has ended."""
        self.signal(signal.SIGKILL)
        return await asyncio.shield(self._status)

    def retire(self) -> None:
        """Have it drain and end."""
        self.signal(signal.SIGTERM)

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if not self._status.done():
            self._process.send_signal(number)


def _start(
    command: Sequence[str], environ: Mapping[str, str], place: Place
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs:
        place = replace(place, channel=theirs.fileno(), inode=os.fstat(theirs.fileno()).st_ino)
        process = subprocess.Popen(  # noqa: S603 - this very program
            command,
            stdin=subprocess.DEVNULL,
            env={**environ, **place.environ()},
            pass_fds=[theirs.fileno()],
            process_group=0,
        )
    return process, ours


def _status_of(process: subprocess.Popen[bytes]) -> asyncio.Future[int]:
    """The status that a process will have ended with. Waited for by a thread, which every kind of loop can use."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def wait() -> None:
        status = process.wait()
        with suppress(RuntimeError):  # the loop has gone first
            loop.call_soon_threadsafe(ended.set_result, status)

    threading.Thread(target=wait, name=f"wait-{process.pid}", daemon=True).start()
    return ended
