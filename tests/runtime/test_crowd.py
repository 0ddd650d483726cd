from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from mooring_runtime.lanes.crowd import Crowd


@dataclass(eq=False)
class Job:
    rows: int = 1
    batch_key: str | None = "same"
    priority: int = 0


def filled(batches: int, *jobs: Job) -> Crowd[Job]:
    crowd: Crowd[Job] = Crowd(batches)
    for job in jobs:
        crowd.put(job, was_announced=False)
    return crowd


def test_a_share_counts_what_waits_runs_comes_and_is_due() -> None:
    crowd = filled(2, Job(rows=3))
    assert crowd.share(99) == 2
    running = crowd.take(99)
    assert crowd.share(99) == 2
    crowd.announce()
    assert crowd.share(99) == 2
    crowd.end(running)
    assert crowd.due == 3
    assert crowd.share(99) == 2
    crowd.put(Job(rows=3), was_announced=False)
    assert crowd.due == 0
    assert crowd.share(99) == 2
    assert crowd.share(1) == 1


def test_an_announced_entry_strikes_out_as_many_rows_as_it_turns_out_to_have() -> None:
    crowd = filled(1, Job(rows=4))
    crowd.end(crowd.take(4))
    crowd.announce()
    crowd.put(Job(rows=4), was_announced=True)
    assert crowd.due == 0
    assert crowd.share(99) == 4


def test_an_entry_that_could_not_be_made_takes_no_share() -> None:
    crowd = filled(1)
    crowd.announce()
    crowd.give_up()
    assert crowd.coming == 0
    assert crowd.share(99) == 1


def test_who_does_not_come_is_forgotten_when_the_wait_is_over() -> None:
    crowd = filled(1, Job(), Job())
    crowd.end(crowd.take(9))
    crowd.put(Job(), was_announced=False)
    assert crowd.due == 1
    crowd.expect_none()
    assert crowd.share(99) == 1


def test_who_left_while_the_batch_ran_is_not_due() -> None:
    jobs = Job(), Job()
    crowd = filled(1, *jobs)
    batch = crowd.take(9)
    for job in jobs:
        crowd.forget(job)
    crowd.end(batch)
    assert crowd.due == 0


@given(st.integers(2, 99), st.integers(1, 4))
def test_clients_that_left_count_no_longer_than_for_a_batch_of_each_thread(gone: int, batches: int) -> None:
    crowd = filled(batches, Job(rows=gone))
    crowd.end(crowd.take(gone))
    for _ in range(batches):  # of one client who stays
        crowd.put(Job(), was_announced=False)
        crowd.end(crowd.take(1))
    crowd.put(Job(), was_announced=False)
    assert crowd.due == 0
    assert crowd.share(99) == 1
