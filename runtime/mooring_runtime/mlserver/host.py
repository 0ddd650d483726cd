"""What the server lends to models written for MLServer."""

from dataclasses import dataclass

from mooring_runtime.lanes.threads import Threads
from mooring_runtime.metrics import Metrics
from mooring_runtime.mlserver.custom_routes import CustomRoutes
from mooring_runtime.mlserver.metrics import RequestCounters


@dataclass(frozen=True)
class Host:
    """One server's."""

    threads: Threads
    metrics: Metrics
    counters: RequestCounters
    """Of `metrics`' registry."""
    routes: CustomRoutes
    max_waiting: int
    """Requests that may wait for one model."""
