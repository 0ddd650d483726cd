"""Metrics of user code: KServe's small helpers, and what programs register with prometheus_client themselves."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector
from pydantic import BaseModel

PROM_LABELS = ["model_name"]
"""The labels of the histograms of handlers."""


class LLMStats(BaseModel):
    """Tokens of a request."""

    num_prompt_tokens: int = 0
    num_generation_tokens: int = 0


def get_labels(model_name: str) -> dict[str, str]:
    """The labels of a model's histograms."""
    return {PROM_LABELS[0]: model_name}


class UserMetrics(Collector):
    """The process-wide registry, without what the server's own has as well."""

    def collect(self) -> Iterator[Any]:
        """Its metrics, as they are now."""
        return (family for family in REGISTRY.collect() if not family.name.startswith(("process_", "python_")))
