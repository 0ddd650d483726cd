"""Secrets, accounts and claims are read only when something is fetched, and not again for each run."""

from typing import Any

import pytest

from mooring_api import names
from mooring_operator.core.observed import Manifest, Parsed, SecretKeys
from mooring_operator.lookups import Lookups
from mooring_operator.store import Store


class FakeReads:
    """Answers reads from dicts and counts them."""

    def __init__(self) -> None:
        self.secrets = {"creds": SecretKeys("creds", frozenset({"AWS_ACCESS_KEY_ID"}))}
        self.accounts: dict[str, Manifest] = {
            "default": {"metadata": {"annotations": {"x": "y"}}, "secrets": [{"name": "creds"}, {"name": "lost"}]}
        }
        self.claims = {"present"}
        self.reads = 0

    async def secret_keys(self, namespace: str, name: str) -> SecretKeys | None:
        self.reads += 1
        return self.secrets.get(name)

    async def service_account(self, namespace: str, name: str) -> Manifest | None:
        self.reads += 1
        return self.accounts.get(name)

    async def claim_exists(self, namespace: str, name: str) -> bool:
        self.reads += 1
        return name in self.claims


def parsed(predictor: dict[str, Any], annotations: dict[str, str] | None = None) -> Any:
    store = Store()
    body = {"kind": "InferenceService", "spec": {"predictor": predictor}}
    store.put(body | {"metadata": {"name": "s", "namespace": "n", "uid": "u", "annotations": annotations or {}}})
    return next(iter(store.services.values()))


def model(uri: str) -> Any:
    store = Store()
    spec = {"inferenceService": "s", "model": {"storageUri": uri, "framework": "f", "memory": "1Mi"}}
    store.put({"kind": "TrainedModel", "metadata": {"name": "m", "namespace": "n", "uid": "m"}, "spec": spec})
    return next(iter(store.models.values()))


CUSTOM = {"containers": [{"name": "c", "image": "i"}]}


def lookups(reads: FakeReads, clock: list[float] | None = None) -> Lookups:
    now = clock or [0.0]
    return Lookups(reads, clock=lambda: now[0])  # type: ignore[arg-type]  # only the three reads are used


async def test_nothing_is_read_for_a_service_that_fetches_nothing() -> None:
    reads = FakeReads()
    looked = await lookups(reads).look(parsed(CUSTOM), (), {})
    assert (reads.reads, looked.credentials.secrets) == (0, ())


async def test_nothing_is_read_for_models_without_a_service() -> None:
    reads = FakeReads()
    await lookups(reads).look(None, (model("pvc://gone/x"),), {})
    assert reads.reads == 0


AGENT = {"spec": {"template": {"spec": {"containers": [{"name": "agent"}]}}}}


@pytest.mark.parametrize(
    ("predictor", "models", "children"),
    [
        pytest.param(CUSTOM, (model("s3://b/p"),), {}, id="a model names it"),
        pytest.param({"model": {"modelFormat": {"name": "x"}}}, (), {}, id="a runtime may take models"),
        pytest.param({"containers": [{"env": [{"name": "STORAGE_URI", "value": "s3://b"}]}]}, (), {}, id="env"),
        pytest.param({"containers": [{"env": [{"name": names.ENV_MULTI_MODEL}]}]}, (), {}, id="multi-model env"),
        pytest.param(CUSTOM, (), {("Deployment", "s-predictor"): AGENT}, id="it has an agent"),
        pytest.param(CUSTOM | {"storageUris": [{"uri": "s3://b/p"}]}, (), {}, id="storageUris"),
    ],
)
async def test_credentials_come_from_the_service_account(predictor: Any, models: Any, children: Any) -> None:
    looked = await lookups(FakeReads()).look(parsed(predictor), models, children)
    assert [secret.name for secret in looked.credentials.secrets] == ["creds"]
    assert looked.credentials.missing == ("lost",)
    assert looked.credentials.service_account_annotations == {"x": "y"}


@pytest.mark.parametrize("annotation", names.ANNOTATION_STORAGE_SECRET)
async def test_an_annotated_secret_replaces_the_accounts(annotation: str) -> None:
    service: Parsed[Any] = parsed(CUSTOM, {annotation: "creds"})
    looked = await lookups(FakeReads()).look(service, (model("s3://b/p"),), {})
    assert (len(looked.credentials.secrets), looked.credentials.missing) == (1, ())


async def test_claims_of_models_and_predictor_are_looked_for() -> None:
    predictor = {"containers": [{"env": [{"name": "STORAGE_URI", "value": "pvc://absent/x"}]}]}
    models = (model("pvc://present/a"), model("pvc://gone/b"), model("s3://b/p"))
    looked = await lookups(FakeReads()).look(parsed(predictor), models, {})
    assert looked.missing_claims == {"absent", "gone"}


async def test_a_claim_that_the_pods_still_mount_is_looked_for_too() -> None:
    volume = {"name": "model-pvc-old", "persistentVolumeClaim": {"claimName": "old"}}
    pods = {"containers": [{"name": "agent"}], "volumes": [volume, {"name": "x", "emptyDir": {}}]}
    children = {("Deployment", "s-predictor"): {"spec": {"template": {"spec": pods}}}}
    looked = await lookups(FakeReads()).look(parsed(CUSTOM), (), children)
    assert looked.missing_claims == {"old"}


async def test_answers_are_kept_for_a_moment_only() -> None:
    reads, clock = FakeReads(), [0.0]
    look = lookups(reads, clock)
    service, models = parsed(CUSTOM), (model("pvc://gone/b"),)
    await look.look(service, models, {})
    first = reads.reads
    await look.look(service, models, {})
    assert reads.reads == first
    clock[0] += 10
    reads.claims.add("gone")
    assert (await look.look(service, models, {})).missing_claims == frozenset()
