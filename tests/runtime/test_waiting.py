from dataclasses import dataclass

import pytest

from mooring_runtime.lanes.waiting import Waiting


@dataclass(frozen=True)
class Job:
    name: str
    batch_key: str | None = "k"
    rows: int = 1
    priority: int = 0


def batches(max_rows: int, *jobs: Job) -> list[str]:
    waiting: Waiting[Job] = Waiting()
    for job in jobs:
        waiting.put(job)
    taken = []
    while len(waiting):
        taken.append("".join(job.name for job in waiting.take(max_rows)))
    assert waiting.take(max_rows) == []
    return taken


@pytest.mark.parametrize(
    ("max_rows", "jobs", "expected"),
    [
        (1, [Job("a"), Job("b", priority=1), Job("c", priority=2), Job("d", priority=1)], ["b", "d", "c", "a"]),
        (1, [Job("a", priority=11), Job("b"), Job("c", priority=10)], ["b", "c", "a"]),
        (9, [Job("a"), Job("b", "other"), Job("c")], ["ac", "b"]),
        (9, [Job("a", None), Job("b", None)], ["a", "b"]),
        (3, [Job("a", rows=2), Job("b", rows=2), Job("c")], ["a", "bc"]),
        (3, [Job("a", rows=5), Job("b")], ["a", "b"]),
        (2, [Job("a"), Job("b", priority=1)], ["ba"]),
    ],
    ids=["urgent-first", "zero-is-ten", "keys-gather", "no-key", "no-starving", "large-alone", "levels-share-a-batch"],
)
def test_batches_are_taken_by_urgency_then_arrival(max_rows: int, jobs: list[Job], expected: list[str]) -> None:
    assert batches(max_rows, *jobs) == expected


def test_a_discarded_entry_is_gone_and_discarding_twice_does_nothing() -> None:
    waiting: Waiting[Job] = Waiting()
    jobs = [Job("a"), Job("b")]
    for job in jobs:
        waiting.put(job)
    waiting.discard(jobs[0])
    waiting.discard(jobs[0])
    assert list(waiting) == jobs[1:]
    assert len(waiting) == 1
