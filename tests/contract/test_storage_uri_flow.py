"""One parameter, end to end: `TrainedModel.spec.model.storageUri`, at each place that it passes (docs/architecture.md).

Right values arrive, wrong ones are told where the user looks. No cluster, no process, no network: a claim is a folder.
"""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from mooring_agent import config_source
from mooring_agent.disk import Disk
from mooring_agent.errors import ConfigUnreadable, StorageError
from mooring_agent.plan import Observed as SeenByAgent
from mooring_agent.plan import Step, next_step
from mooring_agent.settings import StorageSettings
from mooring_agent.storage import Storage
from mooring_agent.storage.folder import Folder
from mooring_api import model_config, names, storage_uri, v2
from mooring_api.v1alpha1 import ModelSpec
from mooring_operator.core.decide import decide
from mooring_operator.core.observed import Key, Observed
from mooring_operator.core.plan import Plan
from mooring_operator.settings import Settings
from mooring_operator.store import Store
from mooring_runtime.errors import ModelLoadFailed
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.registry.folder_source import FolderSource, Layout
from mooring_runtime.registry.repository import Repository
from mooring_runtime.server import new_metrics

URI = "pvc://models/m1"
KEY = Key("default", "svc")
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SPEC = ModelSpec(storage_uri=URI, framework="custom", memory="1Mi")
WRONG = ["ftp://host/m", "m1", "s3://", "pvc:///m", ""]


def store_with(uri: object) -> Store:
    store = Store()
    predictor = {"containers": [{"name": "kserve-container", "image": "mine:1"}]}
    meta = {"name": "svc", "namespace": "default", "uid": "s", "generation": 1}
    store.put({"kind": "InferenceService", "metadata": meta, "spec": {"predictor": predictor}})
    spec = {"inferenceService": "svc", "model": {"storageUri": uri, "framework": "custom", "memory": "1Mi"}}
    meta = {"name": "m1", "namespace": "default", "uid": "m", "generation": 1}
    assert store.put({"kind": "TrainedModel", "metadata": meta, "spec": spec}) == {KEY}
    return store


def planned(uri: object, **seen: Any) -> Plan:
    store = store_with(uri)
    observed = Observed(KEY, service=store.services[KEY], trained_models=store.models_of(KEY), **seen)
    return decide(observed, Settings(), NOW)


def models_json(plan: Plan) -> str:
    text: str = next(m for m in plan.apply if m["kind"] == "ConfigMap")["data"][names.MODELS_KEY]
    return text


def not_ready_message(plan: Plan) -> str:
    status = next(write.status for write in plan.statuses if write.ref.kind == "TrainedModel")
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert ready["status"] == "False"
    return str(ready["message"])


def mounted(folder: Path, text: str) -> None:
    """A ConfigMap volume as kubelet writes it: `..data` points to a dated folder."""
    dated = folder / f"..{len(list(folder.iterdir()))}"
    dated.mkdir()
    (dated / names.MODELS_KEY).write_text(text)
    link = folder / "..tmp"
    link.symlink_to(dated.name)
    link.rename(folder / "..data")
    if not (folder / names.MODELS_KEY).is_symlink():
        (folder / names.MODELS_KEY).symlink_to(f"..data/{names.MODELS_KEY}")


def crd_pattern() -> str:
    path = Path(__file__).parents[2] / "crds" / "serving.kserve.io_trainedmodels.yaml"
    schema = yaml.safe_load(path.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    model = schema["properties"]["spec"]["properties"]["model"]
    pattern: str = model["properties"]["storageUri"]["pattern"]
    return pattern


def test_1_the_api_server_takes_what_can_be_fetched_and_nothing_else() -> None:
    assert re.search(crd_pattern(), URI)
    assert not [uri for uri in WRONG if re.search(crd_pattern(), uri)]


@pytest.mark.parametrize("uri", [*WRONG, None, 7])
def test_2_and_3_what_got_past_the_api_server_is_a_condition_not_a_crash(uri: object) -> None:
    message = not_ready_message(planned(uri))
    assert "storageUri" in message
    assert models_json(planned(uri)) == "[]"


def test_3_a_claim_that_does_not_exist_is_named() -> None:
    plan = planned(URI, missing_claims=frozenset({"models"}))
    assert "models" in not_ready_message(plan)
    assert models_json(plan) == "[]"


def test_4_the_uri_is_in_the_list_as_it_was_written() -> None:
    assert model_config.loads(models_json(planned(URI)))[0].model_spec == SPEC


def test_5_and_6_the_agent_reads_what_the_operator_wrote_and_knows_its_digest(tmp_path: Path) -> None:
    text = models_json(planned(URI))
    mounted(tmp_path, "[]")
    mounted(tmp_path, text)
    newest = config_source.read(tmp_path)
    assert [entry.model_spec.storage_uri for entry in newest.entries] == [URI]
    assert newest.digest == model_config.digest(text)


def test_6_a_broken_list_is_an_error_not_an_empty_list(tmp_path: Path) -> None:
    mounted(tmp_path, '[{"modelName": "m1"}]')
    with pytest.raises(ConfigUnreadable, match="modelSpec"):
        config_source.read(tmp_path)


def test_7_the_plan_is_a_download_and_only_other_bytes_are_another_download() -> None:
    wanted = model_config.download_id(SPEC)
    assert next_step(wanted, SeenByAgent()) is Step.FETCH
    heavier = SPEC.model_copy(update={"memory": "2Mi", "framework": "other"})
    assert model_config.download_id(heavier) == wanted
    elsewhere = SPEC.model_copy(update={"storage_uri": "pvc://models/m2"})
    served = SeenByAgent(in_place=wanted, loaded=wanted)
    assert next_step(model_config.download_id(elsewhere), served) is Step.FETCH


def fetch(tmp_path: Path, disk: Disk) -> None:
    storage = Storage(StorageSettings(pvc_dir=tmp_path / "pvc"), 1)
    try:
        part = disk.begin("m1")
        asyncio.run(storage.fetch(storage_uri.parse(URI), Folder(part, URI)))
        disk.stage("m1", part, SPEC)
        disk.swap("m1")
    finally:
        storage.close()


def test_8_the_files_arrive_whole_under_the_models_name(tmp_path: Path) -> None:
    claim = tmp_path / "pvc" / "models" / "m1"
    claim.mkdir(parents=True)
    (claim / "weights").write_bytes(b"w")
    disk = Disk(tmp_path / "models")
    disk.recover()
    fetch(tmp_path, disk)
    assert (tmp_path / "models" / "m1" / "weights").read_bytes() == b"w"
    assert Disk(tmp_path / "models").recover()["m1"].spec == SPEC


def test_8_what_is_not_there_is_a_reason_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "pvc" / "models").mkdir(parents=True)
    disk = Disk(tmp_path / "models")
    disk.recover()
    with pytest.raises(StorageError, match="m1"):
        fetch(tmp_path, disk)
    assert not (tmp_path / "models" / "m1").exists()


def test_9_only_the_name_crosses_to_the_server() -> None:
    assert v2.load_path("m1") == "/v2/repository/models/m1/load"
    assert "/" not in v2.load_path("a/b").removeprefix("/v2/repository/models/").removesuffix("/load")


async def test_10_a_folder_without_a_model_is_unavailable_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "m1").mkdir()
    (tmp_path / "m1" / "readme.txt").write_text("nothing to load")
    threads, metrics = Threads.for_cpus(1), new_metrics()
    layout = Layout.of(tmp_path, "unused", multi_model=True)
    source = FolderSource(layout, "cpu", "exact", 1, 8, 0.0, threads, metrics)
    try:
        async with asyncio.TaskGroup() as tasks:
            repository = Repository(source, tasks, metrics)
            with pytest.raises(ModelLoadFailed):
                await repository.load("m1")
            entry = repository.index()[0]
    finally:
        threads.shut_down()
    assert (entry.name, entry.state) == ("m1", v2.RepositoryState.UNAVAILABLE)
    assert entry.reason
