"""The agent's Prometheus metrics, on a registry that is passed in."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mooring_api.agent_status import ModelState


class Metrics:
    """All metrics; names and labels are bounded sets."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.models = Gauge("mooring_agent_models", "Models by state", ["state"], registry=registry)
        self.fetches = Histogram(
            "mooring_agent_fetch_seconds",
            "Time of one download that succeeded",
            registry=registry,
            buckets=(0.01, 0.1, 1, 10, 60, 600),
        )
        self.fetched_bytes = Counter("mooring_agent_fetched_bytes", "Bytes of downloads", registry=registry)
        self.loads = Histogram(
            "mooring_agent_load_seconds",
            "Time of one load call that succeeded",
            registry=registry,
            buckets=(0.01, 0.1, 1, 10, 60, 600),
        )
        self.failures = Counter("mooring_agent_failures", "Failed attempts by reason", ["reason"], registry=registry)
        self.config_is_valid = Gauge(
            "mooring_agent_config_valid", "1 when the newest models.json is the one followed", registry=registry
        )

    def count_states(self, states: list[ModelState]) -> None:
        """Set the gauge of every state."""
        for state in ModelState:
            self.models.labels(state.value).set(states.count(state))
