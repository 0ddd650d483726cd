import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait

import pytest

from mooring_runtime.lanes.threads import NICENESS, Cores, Threads, WarmThreads

on_linux = pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux has niceness by thread")


def test_whoever_runs_a_model_alone_has_all_cpus_and_several_share_them() -> None:
    cores = Cores(4)
    with cores.taken():
        assert cores.share == 4
        with cores.taken():
            assert cores.share == 2
            with cores.taken():
                assert cores.share == 1
        assert cores.share == 4


def test_more_takers_than_cpus_have_one_each() -> None:
    cores = Cores(1)
    with cores.taken(), cores.taken():
        assert cores.share == 1


@on_linux
@pytest.mark.parametrize("pool", ["lanes", "codec", "loader"])
def test_threads_that_compute_give_way_to_the_event_loop(pool: str) -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    threads = Threads.for_cpus(1)
    try:
        assert getattr(threads, pool).submit(niceness).result() == min(niceness() + NICENESS, 19)
    finally:
        threads.shut_down()


@pytest.fixture
def warm() -> Iterator[Callable[[int], WarmThreads]]:
    made: list[WarmThreads] = []

    def make(most: int) -> WarmThreads:
        made.append(WarmThreads(most, "warm"))
        return made[-1]

    yield make
    for pool in made:
        pool.shutdown()


def become_idle(pool: WarmThreads, threads: int) -> None:
    until = time.monotonic() + 10
    while pool.idle < threads:
        assert time.monotonic() < until
        os.sched_yield()


def test_the_thread_that_was_idle_last_works_first(warm: Callable[[int], WarmThreads]) -> None:
    pool, may_end = warm(4), [threading.Event(), threading.Event()]
    threads = []

    def work(number: int) -> int:
        may_end[number].wait(10)
        return threading.get_ident()

    futures = [pool.submit(work, number) for number in (0, 1)]
    for number in (1, 0):
        may_end[number].set()
        threads.append(futures[number].result(10))
        become_idle(pool, len(threads))
    assert threads[0] != threads[1]
    for _ in range(3):
        assert pool.submit(threading.get_ident).result(10) == threads[1]
        become_idle(pool, 2)


def test_work_beyond_the_threads_waits_in_its_order(warm: Callable[[int], WarmThreads]) -> None:
    pool = warm(1)
    opened = threading.Event()
    seen: list[int] = []
    pool.submit(opened.wait, 10)
    appended = [pool.submit(seen.append, number) for number in range(5)]
    opened.set()
    wait(appended, 10)
    assert seen == [0, 1, 2, 3, 4]


def test_what_work_raises_is_told_and_its_thread_works_on(warm: Callable[[int], WarmThreads]) -> None:
    pool = warm(1)
    with pytest.raises(SystemExit):
        pool.submit(sys.exit).result(10)
    assert pool.submit(lambda: 4).result(10) == 4


def test_after_the_shutdown_what_waits_is_cancelled_or_done_and_nothing_is_taken(
    warm: Callable[[int], WarmThreads],
) -> None:
    for cancel in (True, False):
        pool, opened = warm(1), threading.Event()
        running, waiting = pool.submit(opened.wait, 10), pool.submit(lambda: 4)
        pool.shutdown(wait=False, cancel_futures=cancel)
        opened.set()
        assert running.result(10) is True
        assert waiting.cancelled() if cancel else waiting.result(10) == 4
        with pytest.raises(RuntimeError, match="have been shut down"):
            pool.submit(lambda: 4)
