"""Prometheus metrics, on a registry that the caller owns.

The four histograms of the user's handlers have KServe's names and labels, so that its dashboards keep working.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter, time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mooring_runtime.errors import ServingError
from mooring_runtime.statistics import Statistics

_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """What the runtime counts. Model labels are names of models that were found, never a client's text."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.statistics = Statistics()
        self._requests = Counter(
            "mooring_runtime_requests_total",
            "Inference requests by outcome: ok, Cancelled, or the error's kind",
            ["model_name", "protocol", "outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "mooring_runtime_request_seconds",
            "From decoded request to result, waiting included",
            ["model_name", "protocol"],
            registry=registry,
        )
        self._in_flight = Gauge(
            "mooring_runtime_requests_in_flight", "Requests being served", ["model_name"], registry=registry
        )
        self._queue_seconds = Histogram(
            "mooring_runtime_queue_seconds",
            "How long a batch's oldest request waited",
            ["model_name"],
            registry=registry,
        )
        self._batch_rows = Histogram(
            "mooring_runtime_batch_rows", "Rows that ran together", ["model_name"], buckets=_ROWS, registry=registry
        )
        self.load_seconds = Histogram(
            "mooring_runtime_load_seconds", "Loading and warming up a model", ["outcome"], registry=registry
        )
        self._stages = {
            stage: Histogram(f"request_{stage}_seconds", f"Time in {stage}", ["model_name"], registry=registry)
            for stage in ("preprocess", "predict", "postprocess", "explain")
        }

    @contextmanager
    def request(self, model: str, protocol: str) -> Iterator[None]:
        """Count one request around the block."""
        started, outcome = perf_counter(), "ok"
        self._in_flight.labels(model).inc()
        try:
            yield
        except ServingError as exc:
            outcome = type(exc).__name__
            raise
        except (asyncio.CancelledError, GeneratorExit):  # the client hung up
            outcome = "Cancelled"
            raise
        except BaseException:
            outcome = "Unexpected"
            raise
        finally:
            self._in_flight.labels(model).dec()
            seconds = perf_counter() - started
            self._seconds.labels(model, protocol).observe(seconds)
            self.statistics.ended(model, outcome == "ok", seconds, time())
            self._requests.labels(model, protocol, outcome).inc()

    def lane_observer(self, model: str) -> Callable[[int, float], None]:
        """What a lane calls after each batch, with (rows, seconds waited)."""
        rows_of, waited_of = self._batch_rows.labels(model), self._queue_seconds.labels(model)
        self.statistics.has_lane(model)

        def observe(rows: int, waited_s: float) -> None:
            rows_of.observe(rows)
            waited_of.observe(waited_s)
            self.statistics.ran(model, rows)

        return observe

    def stage(self, stage: str, model: str, seconds: float) -> None:
        """One handler of a user's model ran."""
        self._stages[stage].labels(model).observe(seconds)
