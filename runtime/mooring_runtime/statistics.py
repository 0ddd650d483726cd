"""What each model has done since the server started, as Triton's statistics extension tells it; kept on the loop."""

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Tally:
    """How many requests ended one way, and how long they took together."""

    count: int = 0
    ns: int = 0

    def and_one(self, seconds: float) -> "Tally":
        """With one more."""
        return Tally(self.count + 1, self.ns + int(seconds * 1e9))


@dataclass(frozen=True)
class ModelStatistics:
    """One model's work, all versions of it."""

    success: Tally = Tally()
    fail: Tally = Tally()
    last_inference_ms: int = 0
    """When a request last succeeded, in milliseconds since 1970; 0 for never."""
    rows: int = 0
    """Rows that were computed."""
    batches: int = 0
    """Times that the model ran."""


def statistics_document(name: str, version: str | None, done: ModelStatistics) -> dict[str, Any]:
    """A model's statistics in the protocol's words, the same over REST and gRPC."""
    return {
        "name": name,
        "version": version or "",
        "last_inference": done.last_inference_ms,
        "inference_count": done.rows,
        "execution_count": done.batches,
        "inference_stats": {"success": asdict(done.success), "fail": asdict(done.fail)},
    }


class Statistics:
    """By model; a model that did nothing yet has zeros."""

    def __init__(self) -> None:
        self._models: dict[str, ModelStatistics] = {}
        self._with_lane: set[str] = set()

    def of(self, model: str) -> ModelStatistics:
        """What `model` did."""
        return self._models.get(model, ModelStatistics())

    def ended(self, model: str, succeeded: bool, seconds: float, now_s: float) -> None:
        """A request ended at `now_s` (seconds since 1970). A model without a lane runs once for each."""
        was = self.of(model)
        if not succeeded:
            self._models[model] = replace(was, fail=was.fail.and_one(seconds))
            return
        ran = 0 if model in self._with_lane else 1
        self._models[model] = ModelStatistics(
            was.success.and_one(seconds), was.fail, int(now_s * 1e3), was.rows + ran, was.batches + ran
        )

    def has_lane(self, model: str) -> None:
        """The model's lane tells of its batches from now on."""
        self._with_lane.add(model)

    def ran(self, model: str, rows: int) -> None:
        """A batch of `model`'s lane ran."""
        was = self.of(model)
        self._models[model] = replace(was, rows=was.rows + rows, batches=was.batches + 1)
