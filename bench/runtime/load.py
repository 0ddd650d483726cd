"""What is sent, and what a load generator saw of the answers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

JSON = "application/json"
HEADER_LENGTH = "Inference-Header-Content-Length"
Protocol = Literal["v1", "v2", "grpc"]
FINISH_S = 30
"""How long a server may owe answers after the load has ended."""


@dataclass(frozen=True)
class Question:
    """One request; every connection sends it again once it is answered."""

    path: str
    """Of the URL; by gRPC the full name of the method."""
    body: Path
    """The bytes as they are sent; by gRPC the serialized message."""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": JSON})
    protocol: Protocol = "v2"


@dataclass(frozen=True)
class Load:
    """What one run of a load generator saw."""

    answered: int
    """With status 200, or OK."""
    failed: int
    """Other statuses, and requests without an answer."""
    total_s: float
    p50_s: float
    p99_s: float

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return self.answered / self.total_s


def percentile(times_s: Sequence[float], percent: int) -> float:
    """The smallest time that `percent` of them are not above; the slowest one where there are few."""
    return sorted(times_s)[math.ceil(len(times_s) * percent / 100) - 1]
