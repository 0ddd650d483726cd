"""Prometheus metrics, on a registry that the caller owns.

The four histograms of the user's handlers have KServe's names and labels, so that its dashboards keep working. What is
counted for each request is looked up once for each model and protocol: finding a labelled metric costs more than
counting with it.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter, time
from types import TracebackType

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mooring_runtime.errors import ServingError
from mooring_runtime.sdk.metrics import PROM_LABELS, LLMStats, UserMetrics, get_labels
from mooring_runtime.telemetry.statistics import Statistics

__all__ = ["PROM_LABELS", "UNKNOWN", "LLMStats", "Metrics", "UserMetrics", "get_labels"]

_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)

UNKNOWN = ""
"""The label of requests whose model there is not: a client's text never becomes a label."""


class Metrics:
    """What the runtime counts. Model labels are names of models that are known, or `UNKNOWN`.

    Args:
        registry: Where they are counted.
        shown: What `/metrics` shows, where it is more than that: the metrics of all workers.
    """

    def __init__(self, registry: CollectorRegistry, shown: CollectorRegistry | None = None) -> None:
        self.registry = registry
        self.shown = registry if shown is None else shown
        self.statistics = Statistics()
        self.requests = Counter(
            "mooring_runtime_requests_total",
            "Inference requests by outcome: ok, Cancelled, or the error's kind",
            ["model_name", "protocol", "outcome"],
            registry=registry,
        )
        self.seconds = Histogram(
            "mooring_runtime_request_seconds",
            "From decoded request to result, waiting included",
            ["model_name", "protocol"],
            registry=registry,
        )
        self.in_flight = Gauge(
            "mooring_runtime_requests_in_flight",
            "Requests being served",
            ["model_name", "protocol"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._queue_seconds = Histogram(
            "mooring_runtime_queue_seconds",
            "How long a request waited for its model, of a batch the oldest one",
            ["model_name"],
            registry=registry,
        )
        self._batch_rows = Histogram(
            "mooring_runtime_batch_rows", "Rows that ran together", ["model_name"], buckets=_ROWS, registry=registry
        )
        self.load_seconds = Histogram(
            "mooring_runtime_load_seconds", "Loading and warming up a model", ["outcome"], registry=registry
        )
        self.loop_lag_seconds = Histogram(
            "mooring_runtime_loop_lag_seconds", "How long the event loop took to turn", registry=registry
        )
        self._stages = {
            stage: Histogram(f"request_{stage}_seconds", f"Time in {stage}", ["model_name"], registry=registry)
            for stage in ("preprocess", "predict", "postprocess", "explain")
        }
        self._counted: dict[tuple[str, str, str], _Counted] = {}
        self._stage_of: dict[tuple[str, str], Histogram] = {}
        self._waited_of: dict[str, Histogram] = {}

    def request(self, model: str, protocol: str, work: str | None = None) -> "_Request":
        """Counts one request around the block that it is entered for.

        Args:
            model: The label.
            protocol: The label.
            work: The name in the statistics; the model's when None.
        """
        key = model, protocol, model if work is None else work
        counted = self._counted.get(key)
        if counted is None:
            counted = self._counted[key] = _Counted(self, *key)
        return _Request(counted)

    def lane_observer(self, model: str, work: str | None = None) -> Callable[[int, float], None]:
        """What a lane calls after each batch, with (rows, seconds waited); `work` is the name in the statistics."""
        rows_of, waited_of = self._batch_rows.labels(model), self._queue_seconds.labels(model)
        work = model if work is None else work
        self.statistics.has_lane(work)

        def observe(rows: int, waited_s: float) -> None:
            rows_of.observe(rows)
            waited_of.observe(waited_s)
            self.statistics.ran(work, rows)

        return observe

    def waited(self, model: str, seconds: float) -> None:
        """A request of a user's model began after waiting so long."""
        histogram = self._waited_of.get(model)
        if histogram is None:
            histogram = self._waited_of[model] = self._queue_seconds.labels(model)
        histogram.observe(seconds)

    def stage(self, stage: str, model: str, seconds: float) -> None:
        """One handler of a user's model ran."""
        histogram = self._stage_of.get((stage, model))
        if histogram is None:
            histogram = self._stage_of[stage, model] = self._stages[stage].labels(model)
        histogram.observe(seconds)


class _Counted:
    """What counts the requests of one model, or version, by one protocol."""

    def __init__(self, metrics: Metrics, model: str, protocol: str, work: str) -> None:
        self._labels = (model, protocol)
        self._work = work
        self._requests = metrics.requests
        self._statistics = metrics.statistics
        self._seconds = metrics.seconds.labels(model, protocol)
        self._outcomes: dict[str, Counter] = {}
        self.in_flight = metrics.in_flight.labels(model, protocol)

    def ended(self, outcome: str, seconds: float) -> None:
        self.in_flight.dec()
        self._seconds.observe(seconds)
        self._statistics.ended(self._work, outcome == "ok", seconds, time())
        counter = self._outcomes.get(outcome)
        if counter is None:
            counter = self._outcomes[outcome] = self._requests.labels(*self._labels, outcome)
        counter.inc()


class _Request:
    """One request, counted from entering to leaving. A class, since a generator would take twice as long."""

    __slots__ = ("_counted", "_started")

    def __init__(self, counted: _Counted) -> None:
        self._counted = counted

    def __enter__(self) -> None:
        self._started = perf_counter()
        self._counted.in_flight.inc()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._counted.ended(outcome_of(kind), perf_counter() - self._started)


def outcome_of(kind: type[BaseException] | None) -> str:
    """How a request ended that was left by an error of that kind, or by none."""
    if kind is None:
        return "ok"
    if issubclass(kind, ServingError):
        return kind.__name__
    hung_up = issubclass(kind, asyncio.CancelledError | GeneratorExit)
    return "Cancelled" if hung_up else "Unexpected"
