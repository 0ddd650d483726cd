import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mooring_runtime.errors import InvalidInput, QueueFull
from mooring_runtime.metrics import Metrics
from mooring_runtime.model import Model

Poll = Callable[[Callable[[], Any]], Any]


def counted(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"mooring_runtime_{name}", labels)


class Own(InvalidInput):
    """A model's own kind of error."""


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (QueueFull("m", 1), "QueueFull"),
        (Own("no"), "Own"),
        (asyncio.CancelledError(), "Cancelled"),
        (ZeroDivisionError(), "Unexpected"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_is_counted_by_how_it_ended(error: BaseException | None, outcome: str) -> None:
    metrics = Metrics(CollectorRegistry())
    for _ in range(2):  # the second one finds what the first one looked up
        try:
            with metrics.request("m", "v1"):
                assert counted(metrics, "requests_in_flight", model_name="m", protocol="v1") == 1
                if error is not None:
                    raise error
        except BaseException as exc:
            assert exc is error  # noqa: PT017 - whichever it is, it goes through
    labels = {"model_name": "m", "protocol": "v1"}
    assert counted(metrics, "requests_total", outcome=outcome, **labels) == 2
    assert counted(metrics, "request_seconds_count", **labels) == 2
    assert counted(metrics, "requests_in_flight", **labels) == 0
    done = metrics.statistics.of("m")
    assert (done.success.count, done.fail.count) == ((2, 0) if error is None else (0, 2))


def test_requests_by_other_protocols_are_in_flight_on_their_own() -> None:
    metrics = Metrics(CollectorRegistry())
    with metrics.request("m", "v1"), metrics.request("m", "grpc"):
        assert counted(metrics, "requests_in_flight", model_name="m", protocol="grpc") == 1


class Waits(Model):
    def __init__(self) -> None:
        super().__init__("m")
        self.may_end = threading.Event()

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        self.may_end.wait(20)
        return {"predictions": [1]}


async def test_what_is_refused_is_counted_by_why(serve_ready: Any, until: Poll) -> None:
    model = Waits()
    async with serve_ready(model, max_waiting=1) as server:
        metrics: Metrics = server.running.dataplane.metrics
        url, body = "/v1/models/m:predict", {"instances": [1]}
        first = asyncio.create_task(server.http.post(url, json=body))
        labels = {"model_name": "m", "protocol": "v1"}

        async def runs() -> bool:
            return counted(metrics, "requests_in_flight", **labels) == 1

        await until(runs)
        hurry = {"x-request-timeout-ms": "50"}
        others = await asyncio.gather(*(server.http.post(url, json=body, headers=hurry) for _ in range(3)))
        model.may_end.set()
        assert (await first).status_code == 200
        statuses = Counter(other.status_code for other in others)
        assert statuses[429]
        assert statuses.total() == statuses[429] + statuses[504]
        for outcome, status in (("QueueFull", 429), ("DeadlineExceeded", 504)):
            assert (counted(metrics, "requests_total", outcome=outcome, **labels) or 0) == statuses[status]


async def test_what_waits_for_a_model_of_user_code_is_told_too(serve_ready: Any, until: Poll) -> None:
    model = Waits()
    async with serve_ready(model) as server:
        metrics: Metrics = server.running.dataplane.metrics
        asking = [server.http.post("/v1/models/m:predict", json={"instances": [1]}) for _ in range(2)]
        asking = [asyncio.create_task(ask) for ask in asking]

        async def both_run() -> bool:
            return counted(metrics, "requests_in_flight", model_name="m", protocol="v1") == 2

        await until(both_run)
        waits = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < waits + 0.05:
            await server.http.get("/v2/health/live")
        model.may_end.set()
        assert [(await ask).status_code for ask in asking] == [200, 200]
        assert counted(metrics, "queue_seconds_count", model_name="m") == 2
        assert (counted(metrics, "queue_seconds_sum", model_name="m") or 0) >= 0.05


async def test_a_clients_text_becomes_no_label(serve_ready: Any) -> None:
    async with serve_ready(Waits()) as server:
        metrics: Metrics = server.running.dataplane.metrics
        assert (await server.http.post("/v1/models/evil:predict", json={"instances": []})).status_code == 404
        assert (await server.http.post("/v2/models/evil/infer", json={"inputs": []})).status_code in (400, 404)
        text = (await server.http.get("/metrics")).text
        assert "evil" not in text
        assert counted(metrics, "requests_total", model_name="", protocol="v1", outcome="ModelNotFound") == 1
