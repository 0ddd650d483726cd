"""The cluster that the core sees in local mode."""

from pathlib import Path
from typing import Any

import pytest

from mooring_operator.core.plan import Adoption, Event, Ref
from mooring_operator.local.blueprint import Site
from mooring_operator.local.cluster import LocalCluster
from mooring_operator.local.containers import Backoff
from mooring_operator.local.images import Images
from mooring_operator.local.objects import Objects
from mooring_operator.ports import ClusterError


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture
def cluster(objects: Objects, tmp_path: Path) -> LocalCluster:
    return LocalCluster(objects, Site(tmp_path, tmp_path, {}, Images(), Backoff()))


def made(objects: Objects, kind: str, name: str = "a", **fields: Any) -> Ref:
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "ns"}, **fields}
    return Ref("v1", kind, "ns", name, objects.apply(body)["metadata"]["uid"])


async def test_a_secret_shows_its_keys_and_settings_but_no_credential(objects: Objects, cluster: LocalCluster) -> None:
    data = {"AWS_SECRET_ACCESS_KEY": "hush", "AWS_ENDPOINT_URL": "http://s3"}
    made(objects, "Secret", stringData=data)
    keys = await cluster.secret_keys("ns", "a")
    assert keys is not None
    assert (keys.keys, keys.settings) == (frozenset(data), {"AWS_ENDPOINT_URL": "http://s3"})
    assert await cluster.secret_keys("ns", "none") is None


async def test_the_default_service_account_is_always_there(objects: Objects, cluster: LocalCluster) -> None:
    assert await cluster.service_account("ns", "default") is not None
    assert await cluster.service_account("ns", "other") is None
    made(objects, "ServiceAccount", "other", secrets=[{"name": "s"}])
    assert (await cluster.service_account("ns", "other") or {})["secrets"] == [{"name": "s"}]


async def test_a_claim_is_an_object_or_a_folder(objects: Objects, cluster: LocalCluster, tmp_path: Path) -> None:
    made(objects, "PersistentVolumeClaim", "applied")
    (tmp_path / "pvc" / "folder").mkdir(parents=True)
    found = [await cluster.claim_exists("ns", name) for name in ("applied", "folder", "none", "..", "")]
    assert found == [True, True, False, False, False]


async def test_an_object_made_anew_gets_neither_the_status_nor_the_owner_of_the_old(
    objects: Objects, cluster: LocalCluster
) -> None:
    old = made(objects, "TrainedModel")
    await cluster.delete(old)
    made(objects, "TrainedModel")
    assert await cluster.write_status(old, {"x": 1}) is None
    with pytest.raises(ClusterError) as failure:
        await cluster.adopt(Adoption(old, {}, {"uid": "u"}))
    assert failure.value.status == 404


async def test_deleting_what_is_gone_is_success(cluster: LocalCluster) -> None:
    await cluster.delete(Ref("v1", "Service", "ns", "none"))
    await cluster.annotate_pod("ns", "none", {"a": "b"})


async def test_a_deployment_that_cannot_run_is_refused_as_invalid(cluster: LocalCluster) -> None:
    template = {"spec": {"containers": [{"name": "c"}]}}
    deployment = {"kind": "Deployment", "metadata": {"name": "d", "namespace": "ns"}, "spec": {"template": template}}
    with pytest.raises(ClusterError, match="image: Required value") as failure:
        await cluster.apply(deployment)
    assert failure.value.status == 422


async def test_only_the_last_events_are_kept(cluster: LocalCluster) -> None:
    for number in range(1001):
        await cluster.emit(Event(Ref("v1", "Pod", "ns", "p"), "Normal", "Reason", str(number)))
    assert (cluster.events[0].event.message, cluster.events[-1].event.message) == ("1", "1000")
