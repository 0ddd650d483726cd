"""The operator's Prometheus metrics, on an injected registry."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class QueueMetrics:
    """What the work queue counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.total = Counter("mooring_reconcile", "Runs that succeeded", registry=registry)
        self.errors = Counter("mooring_reconcile_errors", "Runs that failed and are retried", registry=registry)
        self.seconds = Histogram("mooring_reconcile_seconds", "Time of a run", buckets=_BUCKETS, registry=registry)
        self.depth = Gauge("mooring_queue_depth", "InferenceServices that wait for a run", registry=registry)


class ApiMetrics:
    """What the Kubernetes client counts (kopf's own watches are not in it)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "mooring_api_requests", "Requests to the Kubernetes API", ["verb", "resource"], registry=registry
        )
        self.errors = Counter(
            "mooring_api_errors", "Requests that the Kubernetes API refused", ["code"], registry=registry
        )
