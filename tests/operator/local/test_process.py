"""Processes end when they are told to, and with whoever started them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring_operator.local import process
from mooring_operator.local.containers import Backoff
from mooring_operator.local.listeners import who_listens
from mooring_operator.local.loopback import Leases, is_free
from mooring_operator.local.process import Guard, last_lines


@pytest.fixture
def guard() -> Iterator[Guard]:
    guard = Guard()
    yield guard
    guard.close()


async def start(script: str, tmp_path: Path, guard: Guard) -> process.Process:
    argv = [sys.executable, "-S", "-u", "-c", script]
    return await process.start(argv, os.environ, tmp_path, tmp_path / "log", guard)


def printed(log: Path, word: str) -> str:
    """The log, once it holds `word`."""
    deadline = time.monotonic() + 10
    while word not in last_lines(log):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return last_lines(log)


def gone(pid: int) -> None:
    """Return once the process is no more, or waits only for its parent to notice."""
    deadline, stat = time.monotonic() + 10, Path(f"/proc/{pid}/stat")
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_output_and_exit_status_are_kept(tmp_path: Path, guard: Guard) -> None:
    running = await start("import sys; print('out'); print('err', file=sys.stderr); sys.exit(4)", tmp_path, guard)
    assert await running.wait() == 4
    assert last_lines(tmp_path / "log") == "out\nerr"


async def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path, guard: Guard) -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(60)"
    running = await start(script, tmp_path, guard)
    printed(tmp_path / "log", "up")
    assert await running.stop(0.1) == 128 + signal.SIGKILL


async def test_the_end_of_a_process_is_the_end_of_its_children(tmp_path: Path, guard: Guard) -> None:
    script = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, 'child'); time.sleep(60)"
    running = await start(script, tmp_path, guard)
    child = int(printed(tmp_path / "log", "child").split()[0])
    await running.stop(5)
    gone(child)


async def test_a_command_that_does_not_exist_is_an_error(tmp_path: Path, guard: Guard) -> None:
    with pytest.raises(FileNotFoundError):
        await process.start(["/no/such/command"], {}, tmp_path, tmp_path / "log", guard)


def test_kill_minus_nine_of_the_parent_leaves_no_grandchild(tmp_path: Path) -> None:
    parent = f"""
import asyncio, os, sys
from pathlib import Path
from mooring_operator.local import process
async def main():
    script = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, 'child'); time.sleep(60)"
    await process.start([sys.executable, "-u", "-c", script], os.environ, Path({str(tmp_path)!r}),
                        Path({str(tmp_path)!r}) / "log", process.Guard())
    await asyncio.sleep(60)
asyncio.run(main())
"""
    victim = subprocess.Popen([sys.executable, "-c", parent])
    grandchild = int(printed(tmp_path / "log", "child").split()[0])
    victim.kill()
    victim.wait()
    gone(grandchild)


def test_leases_never_give_a_port_twice(tmp_path: Path) -> None:
    mine, theirs = Leases(tmp_path), Leases(tmp_path)
    ports = [leases.lease() for _ in range(50) for leases in (mine, theirs)]
    assert len(set(ports)) == 100
    mine.release(ports[0])
    assert is_free(ports[0])


def test_who_listens_reads_proc(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    rows = "  sl  local\n   0: 0100007F:1F90 00000000:0000 0A 0 0 0 0 0 4711 1\n"
    (tmp_path / "net" / "tcp").write_text(rows)
    (tmp_path / "42" / "fd").mkdir(parents=True)
    (tmp_path / "42" / "fd" / "3").symlink_to("socket:[4711]")
    (tmp_path / "42" / "cmdline").write_bytes(b"nginx\0-g\0")
    assert who_listens(8080, tmp_path) == "process 42 (nginx -g)"
    assert who_listens(8081, tmp_path) is None


def test_back_off_begins_at_once_and_is_bounded() -> None:
    backoff = Backoff(first_s=1, longest_s=10)
    assert [backoff.delay_s(crashes) for crashes in (1, 2, 3, 4, 5, 6, 10_000)] == [0, 1, 2, 4, 8, 10, 10]
