"""Health and metrics of the operator."""

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from mooring_operator.http_server import application
from mooring_operator.metrics import QueueMetrics


async def test_health_follows_the_ailment() -> None:
    trouble: list[str] = []
    app = application(CollectorRegistry(), lambda: trouble[0] if trouble else None)
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/healthz")
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        trouble.append("stuck")
        answer = await client.get("/healthz")
        assert (answer.status, await answer.json()) == (503, {"status": "stuck"})


async def test_metrics_come_from_the_given_registry() -> None:
    registry = CollectorRegistry()
    QueueMetrics(registry).total.inc()
    async with TestClient(TestServer(application(registry, lambda: None))) as client:
        text = await (await client.get("/metrics")).text()
    assert "mooring_reconcile_total 1.0" in text
    assert "mooring_queue_depth" in text
