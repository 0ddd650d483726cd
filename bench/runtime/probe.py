"""Asks a server for its health again and again on one kept connection, as a kubelet would."""

import http.client
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from bench.runtime.load import FINISH_S, Load, percentile

PERIOD_S = 0.02
PATH = "/v2/health/live"


@dataclass(frozen=True)
class Seen:
    """What a probe saw."""

    times_s: tuple[float, ...]
    """Of the good answers."""
    failed: int
    total_s: float


class Probe(threading.Thread):
    """Begins when it is started; `seen` ends it."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._ended = threading.Event()
        self._times_s: list[float] = []
        self._failed = 0

    def run(self) -> None:
        """Ask each 20 ms, or as soon as the last one is answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=FINISH_S)
        while not self._ended.is_set():
            begun = time.monotonic()
            try:
                connection.request("GET", PATH)
                answer = connection.getresponse()
                answer.read()
                good = answer.status == 200
            except (OSError, http.client.HTTPException):
                connection.close()  # the next request opens it again
                good = False
            took = time.monotonic() - begun
            if good:
                self._times_s.append(took)
            else:
                self._failed += 1
            self._ended.wait(max(0.0, PERIOD_S - took))
        connection.close()

    def seen(self, total_s: float) -> Seen:
        """End it; what it saw in `total_s`."""
        self._ended.set()
        self.join(FINISH_S)
        return Seen(tuple(self._times_s), self._failed, total_s)


def summary(rounds: Iterable[Seen]) -> Load | None:
    """Percentiles of the good answers of all rounds, infinite where there are none; None of no rounds."""
    seen = list(rounds)
    if not seen:
        return None
    times_s = [each for one in seen for each in one.times_s]
    failed, total_s = sum(one.failed for one in seen), sum(one.total_s for one in seen)
    if not times_s:
        return Load(0, failed, total_s, float("inf"), float("inf"))
    return Load(len(times_s), failed, total_s, percentile(times_s, 50), percentile(times_s, 99))
