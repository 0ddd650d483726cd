"""Metrics of MLServer's models: `mlserver.register` and `mlserver.log`, and MLServer's counters of requests.

All of them are on the server's own `/metrics` (spec: runtime.md section 4.7).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, Summary
from prometheus_client.registry import Collector

from mooring_runtime.mlserver.context import model_name_var, model_version_var
from mooring_runtime.mlserver.errors import MLServerError

# The process's, as MLServer's: models register their metrics by functions that know no server.
REGISTRY = CollectorRegistry(auto_describe=True)
_histograms: dict[str, Histogram] = {}
_lock = threading.Lock()


class InvalidModelContext(MLServerError):
    """`log` was called by nobody's model."""

    def __init__(self) -> None:
        super().__init__(
            "mlserver.log() was called outside of a model: call it in load, predict or what they call.",
            HTTPStatus.INTERNAL_SERVER_ERROR,
        )


def register(name: str, description: str) -> Histogram:
    """The histogram of that name; made with `description` when there is none yet."""
    with _lock:
        if name not in _histograms:
            labels = ["model_name", "model_version"]
            _histograms[name] = Histogram(name, description, labels, registry=REGISTRY)
        return _histograms[name]


def log(**values: float) -> None:
    """Observe values of histograms by their names, for the model that calls.

    Raises:
        InvalidModelContext: no model calls.
    """
    try:
        labels = model_name_var.get(), model_version_var.get()
    except LookupError:
        raise InvalidModelContext from None
    for name, value in values.items():
        register(name, f"Logged by mlserver.log({name}=...)").labels(*labels).observe(value)


class ModelsOwn(Collector):
    """What models registered, for the server's registry."""

    def collect(self) -> Iterator[Metric]:
        """All of it, as it is now."""
        yield from REGISTRY.collect()


class RequestCounters:
    """MLServer's three metrics of inference; `version` is "None" for a model without one, as there."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["model", "version"]
        self._success = Counter(
            "model_infer_request_success", "Inference requests that were answered", labels, registry=registry
        )
        self._failure = Counter(
            "model_infer_request_failure", "Inference requests that failed", labels, registry=registry
        )
        self._duration = Summary("model_infer_request_duration", "Seconds to an answer", labels, registry=registry)

    @contextmanager
    def request(self, model: str, version: str | None) -> Iterator[None]:
        """Count one request around the block."""
        labels = model, str(version)
        with self._duration.labels(*labels).time(), self._failure.labels(*labels).count_exceptions():
            yield
            self._success.labels(*labels).inc()
