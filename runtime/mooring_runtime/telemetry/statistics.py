"""What each model has done since the server started, as Triton's statistics extension tells it; kept on the loop."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Tally:
    """How many requests ended one way, and how long they took together."""

    count: int = 0
    ns: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.count + other.count, self.ns + other.ns)


@dataclass(frozen=True)
class ModelStatistics:
    """The work of one model, or of one of the versions that it came with."""

    success: Tally = Tally()
    fail: Tally = Tally()
    last_inference_ms: int = 0
    """When a request last succeeded, in milliseconds since 1970; 0 for never."""
    rows: int = 0
    """Rows that were computed."""
    batches: int = 0
    """Times that the model ran."""

    def __add__(self, other: "ModelStatistics") -> "ModelStatistics":
        return ModelStatistics(
            self.success + other.success,
            self.fail + other.fail,
            max(self.last_inference_ms, other.last_inference_ms),
            self.rows + other.rows,
            self.batches + other.batches,
        )


def statistics_of(plain: Mapping[str, Any]) -> ModelStatistics:
    """What `asdict` made of some."""
    return ModelStatistics(**{**plain, "success": Tally(**plain["success"]), "fail": Tally(**plain["fail"])})


def merged(parts: Iterable[Mapping[str, ModelStatistics]]) -> dict[str, ModelStatistics]:
    """The work of several processes, by model."""
    whole: dict[str, ModelStatistics] = {}
    for part in parts:
        for name, done in part.items():
            whole[name] = whole.get(name, ModelStatistics()) + done
    return whole


def work_of(model: str, version: str | None) -> str:
    """By which name the work of a model is kept: each version's apart, where it came with versions."""
    return model if version is None else f"{model}/versions/{version}"


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


@dataclass
class _Work:
    """As `ModelStatistics`, growing in place: every request adds to it."""

    has_lane: bool = False
    successes: int = 0
    success_ns: int = 0
    failures: int = 0
    fail_ns: int = 0
    last_inference_ms: int = 0
    rows: int = 0
    batches: int = 0


class Statistics:
    """By `work_of`; what did nothing yet has zeros."""

    def __init__(self) -> None:
        self._models: defaultdict[str, _Work] = defaultdict(_Work)

    def all(self) -> Mapping[str, ModelStatistics]:
        """What each did that did anything."""
        return {name: self.of(name) for name in self._models}

    def of(self, model: str) -> ModelStatistics:
        """What `model` did."""
        work = self._models.get(model) or _Work()
        return ModelStatistics(
            Tally(work.successes, work.success_ns),
            Tally(work.failures, work.fail_ns),
            work.last_inference_ms,
            work.rows,
            work.batches,
        )

    def ended(self, model: str, succeeded: bool, seconds: float, now_s: float) -> None:
        """A request ended at `now_s` (seconds since 1970). A model without a lane runs once for each."""
        work = self._models[model]
        if not succeeded:
            work.failures += 1
            work.fail_ns += int(seconds * 1e9)
            return
        work.successes += 1
        work.success_ns += int(seconds * 1e9)
        work.last_inference_ms = int(now_s * 1e3)
        if not work.has_lane:
            work.rows += 1
            work.batches += 1

    def has_lane(self, model: str) -> None:
        """The model's lane tells of its batches from now on."""
        self._models[model].has_lane = True

    def ran(self, model: str, rows: int) -> None:
        """A batch of `model`'s lane ran."""
        work = self._models[model]
        work.rows += rows
        work.batches += 1
