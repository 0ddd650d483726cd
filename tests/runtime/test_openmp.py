import subprocess
import sys
from pathlib import Path

import pytest

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")

COMPUTE = """
import asyncio, os, threading
import torch
from mooring_runtime.lanes.openmp import let_helpers_go
from mooring_runtime.lanes.threads import Cores, Threads

torch.set_num_threads(2)

def compute():
    torch.set_num_threads(2)
    torch.randn(2, 64, 64, 64).relu()

def count():
    return len(os.listdir("/proc/self/task"))
"""


def run(script: str) -> None:
    """In a process of its own, whose threads nobody else starts."""
    done = subprocess.run([sys.executable, "-c", COMPUTE + script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@on_linux
def test_helpers_are_let_go_and_made_anew() -> None:
    run("""
compute()
with_helper = count()
let_helpers_go()
assert count() == with_helper - 1, (count(), with_helper)
compute()
assert count() == with_helper, (count(), with_helper)
""")


@on_linux
def test_a_load_leaves_no_helpers() -> None:
    run("""
threads = Threads.for_cpus(1)
asyncio.run(threads.load(compute))
before = count()
asyncio.run(threads.load(let_helpers_go))
assert count() == before, (count(), before)
""")


@on_linux
def test_who_stops_computing_leaves_its_cpus_to_those_that_go_on() -> None:
    run("""
cores, may_end = Cores(2), threading.Event()

def first():
    with cores.taken():
        may_end.wait(10)

other = threading.Thread(target=first)
other.start()
with cores.taken():
    compute()
    with_helper = count()
assert count() == with_helper - 1, (count(), with_helper)
may_end.set()
other.join()
with cores.taken():
    compute()
    with_helper = count()
assert count() == with_helper, "alone, it keeps them for the next time"
""")


def test_code_that_is_not_ours_computes_with_its_share_of_the_cpus_and_no_more_than_it_was_told() -> None:
    run("""
cores, may_end, began = Cores(4), threading.Event(), threading.Event()

def first():
    with cores.shared():
        began.set()
        may_end.wait(10)

other = threading.Thread(target=first)
other.start()
began.wait(10)
torch.set_num_threads(3)
with cores.shared():
    assert torch.get_num_threads() == 2, torch.get_num_threads()
may_end.set()
other.join()
with cores.shared():
    assert torch.get_num_threads() == 3, torch.get_num_threads()
""")


@on_linux
@pytest.mark.parametrize("mapped", ["/lib/libc.so.6", "/gone/libgomp.so.1 (deleted)"])
def test_without_an_openmp_there_is_nothing_to_do(mapped: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mooring_runtime.lanes import openmp

    openmp._libraries.cache_clear()
    monkeypatch.setattr(Path, "read_text", lambda self: f"7f00-7f01 r--p 00000000 08:01 1 {mapped}\n")
    try:
        openmp.let_helpers_go()
    finally:
        openmp._libraries.cache_clear()
