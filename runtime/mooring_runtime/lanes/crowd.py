"""What a lane's batches are shared among: the rows that wait, that come, and that run. Pure: no locks, no clocks."""

import math
from collections import deque
from collections.abc import Collection, Iterable
from typing import Generic, TypeVar

from mooring_runtime.lanes.waiting import Entry, Waiting

E = TypeVar("E", bound=Entry)


class Crowd(Generic[E]):
    """All that a lane knows of.

    Args:
        batches: That run at once.
    """

    def __init__(self, batches: int) -> None:
        self.waiting: Waiting[E] = Waiting()
        self.coming = 0
        """Entries in the making, counted as a row each."""
        self._running: set[E] = set()
        self._due = deque[int](maxlen=batches)
        self._batches = batches

    @property
    def due(self) -> int:
        """Rows that the last batches answered, whose clients have not come again."""
        return sum(self._due)

    def announce(self) -> None:
        """An entry is in the making."""
        self.coming += 1
        self._come(1)

    def give_up(self) -> None:
        """An entry that was announced could not be made."""
        self.coming -= 1

    def put(self, entry: E, was_announced: bool) -> None:
        """An entry waits."""
        self.coming -= was_announced
        self._come(entry.rows - was_announced)  # one was struck out when it was announced
        self.waiting.put(entry)

    def _come(self, rows: int) -> None:
        """Strike out what was due, the latest first, so that what never comes ages and is forgotten."""
        for position in reversed(range(len(self._due))):
            struck = min(rows, self._due[position])
            self._due[position] -= struck
            rows -= struck

    def take(self, max_rows: int) -> list[E]:
        """The next batch, at most a fair share: it runs from now on."""
        batch = self.waiting.take(self.share(max_rows))
        self._running.update(batch)
        return batch

    def end(self, batch: Collection[E]) -> None:
        """A batch has run; its clients are answered."""
        self._due.append(rows_of(self._running.intersection(batch)))
        self._running.difference_update(batch)

    def forget(self, entry: E) -> None:
        """The entry's client has left."""
        self.waiting.discard(entry)
        self._running.discard(entry)

    def expect_none(self) -> None:
        """Those who are due have taken too long."""
        self._due.clear()

    def share(self, max_rows: int) -> int:
        """The rows of a batch, at most: an equal share of all that there are.

        Unequal batches would stay unequal, as clients that were answered together ask together, and a small batch costs
        more a row.
        """
        rows = rows_of(self.waiting) + self.coming + self.due + rows_of(self._running)
        return max(1, min(max_rows, math.ceil(rows / self._batches)))


def rows_of(entries: Iterable[Entry]) -> int:
    """Their sum."""
    return sum(entry.rows for entry in entries)
