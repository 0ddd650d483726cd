"""Requests as the Kubernetes API gets them, against a real HTTP server."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes import client
from prometheus_client import CollectorRegistry

from mooring_operator.cluster import KubernetesCluster
from mooring_operator.core.plan import Adoption, Event, Ref
from mooring_operator.metrics import ApiMetrics
from mooring_operator.ports import ClusterError, NamespaceGoing
from mooring_operator.resources import PODS

MODEL = Ref("serving.kserve.io/v1alpha1", "TrainedModel", "ns", "m", "u1")


class FakeApi:
    """Records requests; answers with a prepared status and body."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], str, Any]] = []
        self.answer: tuple[int, Any] = (200, {"metadata": {"name": "x"}})

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        kind = request.headers.get("Content-Type", "")
        self.requests.append((request.method, request.path, dict(request.query), kind, json.loads(text or "null")))
        assert request.headers["authorization"] == "Bearer secret"
        status, body = self.answer
        return web.json_response(body, status=status)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def cluster(api: FakeApi, registry: CollectorRegistry) -> AsyncIterator[KubernetesCluster]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    async with TestServer(app) as server:
        configuration = client.Configuration(host=str(server.make_url("")).rstrip("/"))
        configuration.api_key = {"BearerToken": "secret"}
        configuration.api_key_prefix = {"BearerToken": "Bearer"}
        opened = KubernetesCluster(configuration, ApiMetrics(registry))
        yield opened
        opened.close()


async def test_apply_is_server_side_and_forced(cluster: KubernetesCluster, api: FakeApi) -> None:
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "ns"}}
    assert await cluster.apply(manifest) == {"metadata": {"name": "x"}}
    path = "/apis/apps/v1/namespaces/ns/deployments/d"
    query = {"fieldManager": "mooring", "force": "true"}
    assert api.requests == [("PATCH", path, query, "application/apply-patch+yaml", manifest)]


async def test_delete_has_the_uid_as_precondition(cluster: KubernetesCluster, api: FakeApi) -> None:
    await cluster.delete(Ref("v1", "Service", "ns", "s", "u"))
    (verb, path, query, _, body) = api.requests[0]
    assert (verb, path, query) == ("DELETE", "/api/v1/namespaces/ns/services/s", {})
    assert body == {"propagationPolicy": "Background", "preconditions": {"uid": "u"}}


@pytest.mark.parametrize("status", [404, 409])
async def test_delete_of_what_is_gone_is_success(cluster: KubernetesCluster, api: FakeApi, status: int) -> None:
    api.answer = (status, {"message": "gone"})
    await cluster.delete(Ref("v1", "Service", "ns", "s"))


async def test_a_status_is_replaced_for_this_very_object(cluster: KubernetesCluster, api: FakeApi) -> None:
    await cluster.write_status(MODEL, {"url": "u"})
    (verb, path, _, kind, body) = api.requests[0]
    assert (verb, kind) == ("PATCH", "application/json-patch+json")
    assert path == "/apis/serving.kserve.io/v1alpha1/namespaces/ns/trainedmodels/m/status"
    assert body == [
        {"op": "test", "path": "/metadata/uid", "value": "u1"},
        {"op": "add", "path": "/status", "value": {"url": "u"}},
    ]


@pytest.mark.parametrize("status", [404, 422])
async def test_the_status_of_what_is_gone_is_nobodys(cluster: KubernetesCluster, api: FakeApi, status: int) -> None:
    api.answer = (status, {"message": "gone"})
    assert await cluster.write_status(MODEL, {}) is None


async def test_adoption_names_the_uid(cluster: KubernetesCluster, api: FakeApi) -> None:
    await cluster.adopt(Adoption(MODEL, {"inferenceservice": "s"}, {"uid": "parent"}))
    meta = api.requests[0][4]["metadata"]
    assert (meta["uid"], meta["labels"]) == ("u1", {"inferenceservice": "s"})
    assert meta["ownerReferences"] == [{"uid": "parent"}]


async def test_pods_get_annotations_by_merge_patch(cluster: KubernetesCluster, api: FakeApi) -> None:
    api.answer = (404, {})
    await cluster.annotate_pod("ns", "p", {"a": "b"})
    assert api.requests[0][3:] == ("application/merge-patch+json", {"metadata": {"annotations": {"a": "b"}}})


async def test_events_have_names_of_their_own(cluster: KubernetesCluster, api: FakeApi) -> None:
    for _ in range(2):
        await cluster.emit(Event(MODEL, "Warning", "BucketNotFound", "no bucket b"))
    bodies = [request[4] for request in api.requests]
    assert bodies[0]["metadata"]["name"] != bodies[1]["metadata"]["name"]
    assert bodies[0]["involvedObject"]["uid"] == "u1"
    assert (bodies[0]["type"], bodies[0]["reason"], bodies[0]["message"]) == (
        "Warning",
        "BucketNotFound",
        "no bucket b",
    )


async def test_no_credential_leaves_a_secret(cluster: KubernetesCluster, api: FakeApi) -> None:
    values = {"AWS_SECRET_ACCESS_KEY": "hush", "S3_ENDPOINT": "minio:9000"}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    api.answer = (200, {"metadata": {"name": "c", "annotations": {"x": "y"}}, "data": data})
    keys = await cluster.secret_keys("ns", "c")
    assert keys is not None
    assert keys.keys == {"AWS_SECRET_ACCESS_KEY", "S3_ENDPOINT"}
    assert (keys.settings, keys.annotations) == ({"S3_ENDPOINT": "minio:9000"}, {"x": "y"})
    assert "hush" not in repr(keys)


async def test_what_does_not_exist_is_none(cluster: KubernetesCluster, api: FakeApi) -> None:
    api.answer = (404, {"message": "not found"})
    assert await cluster.secret_keys("ns", "c") is None
    assert await cluster.service_account("ns", "default") is None
    assert not await cluster.claim_exists("ns", "c")


async def test_a_claim_that_is_being_deleted_counts_as_gone(cluster: KubernetesCluster, api: FakeApi) -> None:
    assert await cluster.claim_exists("ns", "c")
    api.answer = (200, {"metadata": {"name": "c", "deletionTimestamp": "2026-11-21T12:00:00Z"}})
    assert not await cluster.claim_exists("ns", "c")


async def test_lists_have_their_version_and_kinds_filled_in(cluster: KubernetesCluster, api: FakeApi) -> None:
    api.answer = (200, {"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "p"}}]})
    assert await cluster.list_all(PODS) == ([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}], 7)
    assert api.requests[0][2] == {"labelSelector": "serving.kserve.io/inferenceservice"}


async def test_a_refusal_carries_the_servers_words_and_is_counted(
    cluster: KubernetesCluster, api: FakeApi, registry: CollectorRegistry
) -> None:
    api.answer = (403, {"message": "pods is forbidden"})
    with pytest.raises(ClusterError, match="pods is forbidden") as caught:
        await cluster.list_all(PODS)
    assert caught.value.status == 403
    assert registry.get_sample_value("mooring_api_errors_total", {"code": "403"}) == 1
    assert registry.get_sample_value("mooring_api_requests_total", {"verb": "GET", "resource": "pods"}) == 1


async def test_a_namespace_that_is_going_is_told_apart(cluster: KubernetesCluster, api: FakeApi) -> None:
    causes = [{"reason": "NamespaceTerminating", "message": "namespace ns is being terminated"}]
    api.answer = (403, {"message": "forbidden", "details": {"causes": causes}})
    with pytest.raises(NamespaceGoing):
        await cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "ns"}})


async def test_no_answer_is_a_cluster_error() -> None:
    configuration = client.Configuration(host="http://127.0.0.1:9")
    cluster = KubernetesCluster(configuration, ApiMetrics(CollectorRegistry()))
    with pytest.raises(ClusterError, match="does not answer"):
        await cluster.claim_exists("ns", "c")
    cluster.close()
