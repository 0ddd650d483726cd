"""Operating-system processes: each in a group of its own, none of which outlives `mooring local up`."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from mooring_operator.local import guard

KILL_WAIT_S = 5.0
"""How long a killed process may take to vanish."""


class Guard:
    """The process that kills our process groups when this process dies (see `guard`)."""

    def __init__(self) -> None:
        argv = [sys.executable, "-I", "-S", guard.__file__]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 (our own file)
        assert self._process.stdin is not None  # noqa: S101 (PIPE was asked for)
        self._fd = self._process.stdin.fileno()

    def enter_current_process(self) -> None:
        """Called between fork and exec: the child's group is under guard before the child can do anything."""
        os.write(self._fd, b"+%d\n" % os.getpid())

    def forget(self, group: int) -> None:
        """The group is gone, its number may be used again by others."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._fd, b"-%d\n" % group)

    def close(self) -> None:
        """End the guard; groups still under guard are killed."""
        with contextlib.suppress(OSError):
            self._process.communicate(timeout=KILL_WAIT_S)


class Process:
    """A running command. Its group is killed with it."""

    def __init__(self, process: asyncio.subprocess.Process, guard: Guard) -> None:
        self._process = process
        self._guard = guard
        self._gone = False

    @property
    def pid(self) -> int:
        """Of the command, and of its process group."""
        return self._process.pid

    async def wait(self) -> int:
        """The exit status; 128+N after signal N, as a shell tells it. What the command left in its group is killed."""
        code = await self._process.wait()
        if not self._gone:
            self.signal(signal.SIGKILL)
            self._guard.forget(self.pid)
            self._gone = True  # from now on the group's number may belong to others
        return code if code >= 0 else 128 - code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group; a group that is gone is no error."""
        if not self._gone:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    async def stop(self, grace_s: float) -> int:
        """SIGTERM, at most `grace_s` seconds of patience, SIGKILL; returns the exit status."""
        if self._process.returncode is None:
            self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                return await self.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
        async with asyncio.timeout(KILL_WAIT_S):
            return await self.wait()


async def start(argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path, guard: Guard) -> Process:
    """Start a command with both its outputs appended to the file `log`.

    Raises:
        OSError: the command cannot be started (not found, not executable).
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=guard.enter_current_process,
        )
    return Process(process, guard)


def last_lines(log: Path, count: int = 10, limit_bytes: int = 4096) -> str:
    """The end of a log, for messages: at most `count` lines and `limit_bytes` bytes; empty when there is none."""
    try:
        with log.open("rb") as source:
            source.seek(max(0, log.stat().st_size - limit_bytes))
            text = source.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(deque(text.splitlines(), count))
