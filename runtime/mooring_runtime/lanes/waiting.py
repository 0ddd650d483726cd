"""What waits for one model, most urgent first. Pure: no locks, no clocks, no event loop."""

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar

DEFAULT_PRIORITY = 10
"""Where a request without a priority, or with priority 0, stands: priorities 1 to 9 go before it, larger ones after."""


class Entry(Protocol):
    """What the queue must know of an entry."""

    @property
    def batch_key(self) -> Hashable | None:
        """Entries with equal keys may run together; None runs alone."""

    @property
    def rows(self) -> int:
        """How much of a batch's rows the entry takes."""

    @property
    def priority(self) -> int:
        """1 is the most urgent; 0 stands for `DEFAULT_PRIORITY`."""


E = TypeVar("E", bound=Entry)


class Waiting(Generic[E]):
    """Entries by priority, in the order of their arrival within one."""

    def __init__(self) -> None:
        self._levels: dict[int, deque[E]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[E]:
        """All entries, the most urgent first."""
        return (entry for level in sorted(self._levels) for entry in self._levels[level])

    def put(self, entry: E) -> None:
        """Add an entry behind those of its priority."""
        self._levels.setdefault(entry.priority or DEFAULT_PRIORITY, deque()).append(entry)
        self._count += 1

    def discard(self, entry: E) -> None:
        """Take an entry out, if it still waits."""
        level = entry.priority or DEFAULT_PRIORITY
        entries = self._levels.get(level)
        if entries is None or entry not in entries:
            return
        entries.remove(entry)
        self._count -= 1
        if not entries:
            del self._levels[level]

    def take(self, max_rows: int) -> list[E]:
        """The next batch, taken out: the most urgent entry, and those of its key behind it while rows are left.

        Entries of other keys are passed over, never overtaken twice: the batch after this one begins with the first of
        them. Among entries of one key nobody is passed over, so that a large one does not starve.
        """
        batch: list[E] = []
        rows = 0
        for entry in self:
            if batch and entry.batch_key != batch[0].batch_key:
                continue
            if batch and rows + entry.rows > max_rows:
                break
            batch.append(entry)
            rows += entry.rows
            if entry.batch_key is None or rows >= max_rows:
                break
        for entry in batch:
            self.discard(entry)
        return batch
