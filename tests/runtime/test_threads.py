import os
import threading

import pytest

from mooring_runtime.threads import NICENESS, Cores, Threads

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
