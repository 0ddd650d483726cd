"""What to do next for each model: pure, level-triggered, one step at a time.

A step is taken, what it changed is observed, and the next step is planned from that; so an agent restart, a server
restart and a missed event all take the same path. Versions are `model_config.download_id`s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto


class Step(Enum):
    """One thing to do for one model."""

    KEEP = auto()
    """Nothing: what is wanted is served."""
    FETCH = auto()
    """Download the wanted version beside the one in place."""
    SWAP = auto()
    """Put the fetched version in place and keep the one before."""
    RESTORE = auto()
    """Put the version before back in place."""
    CHECK = auto()
    """Ask the server whether it already serves what an earlier agent process left in place."""
    LOAD = auto()
    """Have the server (re)load what is in place."""
    COMMIT = auto()
    """Delete every version but the one in place."""
    UNLOAD = auto()
    """Have the server drop the model."""
    DELETE = auto()
    """Delete the model's files."""
    FORGET = auto()
    """Nothing is left of the model."""


@dataclass(frozen=True)
class Observed:
    """What there is of one model; None where there is nothing complete."""

    in_place: str | None = None
    """Version in the model's folder."""
    staged: str | None = None
    """Version that is fetched but not in place."""
    previous: str | None = None
    """Version that was in place before, kept until the newer one is loaded."""
    loaded: str | None = None
    """Version that the server serves."""
    refused: str | None = None
    """Version that the server refused last."""
    is_recovered: bool = False
    """In place since before this agent process; whether the server serves it was not asked yet."""
    may_be_loaded: bool = False
    """The server was asked to load and has not confirmed an unload since."""

    def without_loaded(self) -> "Observed":
        """The same, after the server lost the model."""
        return replace(self, loaded=None)


def next_step(wanted: str | None, seen: Observed) -> Step:
    """The next step towards `wanted`; None means that the model is to go.

    The order holds the promises: an old version is loaded (after a server restart) before a new one is fetched, nothing
    is deleted before its successor is loaded, and unload comes before deletion.
    """
    if wanted is None:
        return _removal(seen)
    if seen.in_place is not None and seen.is_recovered and seen.loaded is None:
        return Step.CHECK
    if seen.in_place == wanted:
        return _completion(wanted, seen)
    if seen.in_place is not None and seen.loaded is None and seen.refused != seen.in_place:
        return Step.LOAD
    if seen.previous == wanted:
        return Step.RESTORE
    return Step.SWAP if seen.staged == wanted else Step.FETCH


def plan(desired: Mapping[str, str], observed: Mapping[str, Observed]) -> dict[str, Step]:
    """The next step of every model that is wanted (name -> version) or of which there is something."""
    names = sorted(desired.keys() | observed.keys())
    return {name: next_step(desired.get(name), observed.get(name, Observed())) for name in names}


def _removal(seen: Observed) -> Step:
    if seen.loaded is not None or seen.may_be_loaded or seen.is_recovered:
        return Step.UNLOAD
    return Step.DELETE if seen.in_place or seen.staged or seen.previous else Step.FORGET


def _completion(wanted: str, seen: Observed) -> Step:
    if seen.loaded != wanted:
        return Step.LOAD
    return Step.COMMIT if seen.staged or seen.previous else Step.KEEP


@dataclass(frozen=True)
class Backoff:
    """How long to wait after a failed attempt, in seconds."""

    first_s: float = 1.0
    cap_s: float = 60.0
    permanent_factor: float = 5.0
    """Errors that only a person can mend start this much slower; they reach the same cap, so that an object that is
    uploaded later is found."""

    def delay_s(self, attempt: int, *, is_permanent: bool, jitter: float) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1); `jitter` in [0, 1) spreads by +-20 %."""
        first_s = self.first_s * (self.permanent_factor if is_permanent else 1.0)
        exponential_s: float = first_s * 2.0 ** min(attempt - 1, 30)
        return min(exponential_s, self.cap_s) * (0.8 + 0.4 * jitter)
