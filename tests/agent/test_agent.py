"""The whole agent against a model server, by its volumes and ports: measured failures of KServe, and bad input."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from mooring_api.agent_status import AgentModel, AgentStatus, ModelError

if TYPE_CHECKING:
    from tests.agent.conftest import Agent, Claim, FakeRuntime, LogLines, S3Server, SlowHttp


Wait = Callable[[Callable[[], bool]], Any]


def fault(model: AgentModel) -> ModelError:
    assert model.last_error is not None
    return model.last_error


def serves(runtime: FakeRuntime, wanted: dict[str, str]) -> Callable[[AgentStatus], bool]:
    return lambda _: runtime.ready == wanted


def follows(digest: str, status: AgentStatus) -> bool:
    return status.config_digest == digest


async def test_models_are_downloaded_and_loaded_and_the_log_says_so(
    agent: Agent, runtime: FakeRuntime, claim: Claim, log_lines: LogLines
) -> None:
    digest = agent.config.want({"m1": claim("m1", "one"), "m2": claim("m2", "two")})
    async with agent.running():
        status = await agent.loaded("m1", "m2")
        agent.config.want({"m2": claim("m2", "two")})
        await agent.loaded("m2")
    assert runtime.ready == {"m2": "two"}
    assert (status.config_digest, status.config_error) == (digest, None)
    lines = log_lines()
    assert {"Downloading model from pvc://data/m1", "Successfully loaded model m1"} <= {line["msg"] for line in lines}
    assert lines[-1]["msg"] == "Successfully unloaded model m1"
    assert all(line.keys() == {"level", "ts", "caller", "msg"} for line in lines)
    assert not (agent.model_dir / "m1").exists()


@pytest.mark.parametrize("count", [101, 500])
async def test_many_models_at_start_are_all_loaded(
    agent: Agent, runtime: FakeRuntime, claim: Claim, count: int
) -> None:
    names = [f"m{number}" for number in range(count)]
    agent.config.want({name: claim(name, name) for name in names})
    async with agent.running():
        await agent.loaded(*names, timeout_s=20)
        assert (await agent.get("/readyz"))[0] == 200
    assert runtime.ready == {name: name for name in names}
    assert sorted(runtime.calls) == sorted(f"load {name}" for name in names)


async def test_a_server_that_starts_late_gets_its_models_as_soon_as_it_answers(
    agent: Agent, runtime: FakeRuntime, claim: Claim
) -> None:
    await runtime.stop()
    agent.config.want({"m": claim("m", "one")})
    async with agent.running():
        status = await agent.until(lambda status: any(model.last_error for model in status.models))
        (model,) = status.models
        assert (model.state, fault(model).reason) == ("Loading", "RuntimeUnreachable")
        assert (await agent.get("/readyz"))[0] == 503
        await runtime.start()
        status = await agent.loaded("m", timeout_s=2)
        assert status.models[0].last_error is None
        assert (await agent.get("/readyz"))[0] == 200


@pytest.mark.parametrize(("has_index", "has_ready"), [(True, True), (False, True), (True, False), (False, False)])
async def test_a_server_that_restarts_gets_its_models_back(
    agent: Agent, runtime: FakeRuntime, claim: Claim, has_index: bool, has_ready: bool
) -> None:
    runtime.has_index, runtime.has_ready = has_index, has_ready
    agent.config.want({name: claim(name, name) for name in ("a", "b", "c")})
    async with agent.running():
        await agent.loaded("a", "b", "c")
        await agent.until(lambda status: status.runtime_ready)
        await runtime.stop()
        await agent.until(lambda status: not status.runtime_ready)
        await runtime.start()
        await agent.until(lambda _: len(runtime.ready) == 3, timeout_s=3)
    assert runtime.ready == {"a": "a", "b": "b", "c": "c"}
    assert sorted(runtime.calls) == sorted(f"load {name}" for name in "aabbcc")


async def test_a_server_that_restarts_unnoticed_gets_its_models_back(
    agent: Agent, runtime: FakeRuntime, claim: Claim
) -> None:
    agent.config.want({name: claim(name, name) for name in ("a", "b")})
    async with agent.running():
        await agent.loaded("a", "b")
        runtime.ready.clear()
        await agent.until(lambda _: len(runtime.ready) == 2, timeout_s=5)


async def test_an_unrelated_edit_touches_no_other_model(agent: Agent, runtime: FakeRuntime, claim: Claim) -> None:
    models = {"changed": claim("v1", "one"), "other": claim("other", "other")}
    agent.config.want(models)
    async with agent.running():
        await agent.loaded("changed", "other")
        agent.config.want(models | {"changed": claim("v2", "two")})
        await agent.until(lambda _: runtime.ready["changed"] == "two")
        # KServe reloaded "changed" at every later edit of any model.
        agent.config.want(models | {"changed": claim("v2", "two"), "third": claim("third", "third")})
        await agent.loaded("changed", "other", "third")
    assert (runtime.loads("changed"), runtime.loads("other"), runtime.loads("third")) == (2, 1, 1)


async def test_a_memory_edit_or_a_touch_does_nothing(agent: Agent, runtime: FakeRuntime, claim: Claim) -> None:
    models = {"m": claim("m", "one")}
    agent.config.want(models)
    async with agent.running():
        await agent.loaded("m")
        digest = agent.config.want(models, memory="2Mi")
        status = await agent.until(lambda status: status.config_digest == digest)
        assert status.models[0].state == "Loaded"
        agent.config.want(models, memory="2Mi")
        agent.config.want(models | {"other": claim("other", "other")}, memory="2Mi")
        await agent.loaded("m", "other")
    assert runtime.calls == ["load m", "load other"]


async def test_a_rollback_is_followed(agent: Agent, runtime: FakeRuntime, claim: Claim) -> None:
    async with agent.running():
        for version in ("one", "two", "one"):
            digest = agent.config.want({"m": claim(version, version)})
            await agent.until(functools.partial(follows, digest))
            await agent.loaded("m")
            assert runtime.ready == {"m": version}


async def test_an_update_leaves_no_gap(agent: Agent, runtime: FakeRuntime, claim: Claim) -> None:
    agent.config.want({"m": claim("v1", "one")})
    async with agent.running():
        before = (await agent.loaded("m")).models[0].loaded_id
        runtime.gate = asyncio.Event()
        agent.config.want({"m": claim("v2", "two")})
        status = await agent.until(lambda _: runtime.loads("m") == 2)
        status = await agent.until(lambda status: status.models[0].state == "Loading")
        assert status.models[0].loaded_id == before
        assert runtime.ready == {"m": "one"}
        runtime.gate.set()
        await agent.loaded("m")
        await agent.until(lambda _: not list((agent.model_dir / ".staging").iterdir()))
    assert runtime.calls == ["load m", "load m"]


async def test_a_version_that_cannot_be_loaded_leaves_the_old_one_serving(
    agent: Agent, runtime: FakeRuntime, claim: Claim
) -> None:
    agent.config.want({"m": claim("v1", "one")})
    runtime.refused = {"bad"}
    async with agent.running():
        old = (await agent.loaded("m")).models[0].loaded_id
        agent.config.want({"m": claim("v2", "bad")})
        status = await agent.until(
            lambda status: status.models[0].state == "FailedToLoad" and bool(status.models[0].loaded_id)
        )
        (model,) = status.models
        assert (model.loaded_id, fault(model).reason) == (old, "LoadFailed")
        assert "cannot read bad" in fault(model).message
        assert (runtime.ready, (agent.model_dir / "m" / "weights").read_text()) == ({"m": "one"}, "one")
        assert model.next_retry is not None
        runtime.refused.clear()
        await agent.loaded("m")
    assert runtime.ready == {"m": "bad"}


async def test_a_model_is_loaded_when_the_server_says_that_it_is_ready(
    agent: Agent, runtime: FakeRuntime, claim: Claim
) -> None:
    runtime.warming = {"m"}
    agent.config.want({"m": claim("m", "one")})
    async with agent.running():
        await agent.until(lambda _: "m" in runtime.ready)
        status = await agent.status()
        assert (status.models[0].state, status.models[0].loaded_id) == ("Loading", None)
        runtime.warming.clear()
        await agent.loaded("m")
    assert runtime.loads("m") == 1


async def test_a_load_that_hangs_ends_with_a_reason_and_holds_up_no_other_model(
    agent: Agent, runtime: FakeRuntime, claim: Claim
) -> None:
    agent.options["load_timeout_s"] = 0.3
    runtime.gate = asyncio.Event()
    agent.config.want({"m": claim("m", "one")})
    async with agent.running():
        status = await agent.until(lambda status: bool(status.models) and status.models[0].state == "FailedToLoad")
        assert fault(status.models[0]).reason == "LoadFailed"
        assert "--load-timeout" in fault(status.models[0]).message
        runtime.gate.set()
        await agent.loaded("m")


async def test_the_old_version_comes_back_with_the_server_while_the_new_one_cannot_be_fetched(
    agent: Agent, runtime: FakeRuntime, claim: Claim
) -> None:
    agent.config.want({"m": claim("v1", "one")})
    async with agent.running():
        await agent.loaded("m")
        agent.config.want({"m": "pvc://data/missing"})
        await agent.until(lambda status: status.models[0].state == "FailedToLoad")
        runtime.ready.clear()
        await agent.until(lambda _: runtime.ready == {"m": "one"}, timeout_s=5)


async def test_a_missing_object_that_is_uploaded_later_is_loaded(
    agent: Agent, runtime: FakeRuntime, s3: S3Server
) -> None:
    s3.put("later", {})
    agent.storage = replace(agent.storage, s3=s3.settings)
    agent.config.want({"m": "s3://later/m"})
    async with agent.running():
        status = await agent.until(lambda status: status.models[0].state == "FailedToLoad" if status.models else False)
        (model,) = status.models
        assert fault(model).reason == "ObjectNotFound"
        assert "s3://later/m" in fault(model).message
        assert (await agent.get("/readyz"))[0] == 200  # attempted
        s3.client.put_object(Bucket="later", Key="m/weights", Body=b"uploaded")
        await agent.loaded("m")
    assert runtime.ready == {"m": "uploaded"}


async def test_a_refused_model_that_is_uploaded_again_is_fetched_again(
    agent: Agent, runtime: FakeRuntime, s3: S3Server
) -> None:
    s3.put("again", {"m/weights": "corrupt"})
    agent.storage = replace(agent.storage, s3=s3.settings)
    runtime.refused = {"corrupt"}
    agent.config.want({"m": "s3://again/m"})
    async with agent.running():
        await agent.until(lambda status: status.models[0].state == "FailedToLoad" if status.models else False)
        s3.client.put_object(Bucket="again", Key="m/weights", Body=b"mended")
        await agent.loaded("m")
    assert runtime.ready == {"m": "mended"}


async def test_a_restarted_agent_neither_downloads_nor_loads_what_is_there(
    agent: Agent, runtime: FakeRuntime, s3: S3Server
) -> None:
    s3.put("restart", {"m/weights": "one", "gone/weights": "gone"})
    agent.storage = replace(agent.storage, s3=s3.settings)
    agent.config.want({"m": "s3://restart/m", "gone": "s3://restart/gone"})
    async with agent.running():
        await agent.loaded("m", "gone")
    s3.client.put_object(Bucket="restart", Key="m/weights", Body=b"other")
    agent.config.want({"m": "s3://restart/m"})
    async with agent.running():
        status = await agent.loaded("m")
        assert status.models[0].attempts == 0
    assert runtime.calls[2:] == ["unload gone"]
    assert not (agent.model_dir / "gone").exists()


async def test_a_restarted_agent_and_server_load_from_disk(agent: Agent, runtime: FakeRuntime, s3: S3Server) -> None:
    s3.put("both", {"m/weights": "one"})
    agent.storage = replace(agent.storage, s3=s3.settings)
    agent.config.want({"m": "s3://both/m"})
    async with agent.running():
        await agent.loaded("m")
    await runtime.stop()
    s3.client.delete_object(Bucket="both", Key="m/weights")
    async with agent.running():
        await runtime.start()
        await agent.loaded("m")
    assert runtime.ready == {"m": "one"}


async def test_a_newer_version_cancels_the_older_download(
    agent: Agent, runtime: FakeRuntime, claim: Claim, slow_http: SlowHttp
) -> None:
    agent.config.want({"m": f"{slow_http.url}/old.bin"})
    async with agent.running():
        await agent.until(lambda status: bool(status.models) and status.models[0].state == "Downloading")
        agent.config.want({"m": claim("new", "new")})
        await agent.loaded("m", timeout_s=3)
        slow_http.release()
        await agent.until(lambda _: not list((agent.model_dir / ".staging").iterdir()))
    assert runtime.calls == ["load m"]


async def test_removal_cancels_the_download(agent: Agent, runtime: FakeRuntime, slow_http: SlowHttp) -> None:
    agent.config.want({"m": f"{slow_http.url}/old.bin"})
    async with agent.running():
        await agent.until(lambda status: bool(status.models) and status.models[0].state == "Downloading")
        agent.config.want({})
        await agent.until(lambda status: not status.models, timeout_s=3)
        slow_http.release()
    assert runtime.calls == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("[{", "JSON", id="broken JSON"),
        pytest.param('{"a": 1}', "array", id="no list"),
        pytest.param('[{"modelName": "x"}]', "modelSpec", id="no spec"),
        pytest.param(
            json.dumps(
                2 * [{"modelName": "x", "modelSpec": {"storageUri": "s3://b/p", "framework": "f", "memory": "1"}}]
            ),
            "twice",
            id="duplicate name",
        ),
        pytest.param(
            json.dumps([{"modelName": "x", "modelSpec": {"storageUri": "ftp://b/p", "framework": "f", "memory": "1"}}]),
            "storageUri",
            id="unknown scheme",
        ),
    ],
)
async def test_a_bad_list_keeps_the_last_good_one(
    agent: Agent, runtime: FakeRuntime, claim: Claim, text: str, complaint: str
) -> None:
    digest = agent.config.want({"m": claim("m", "one")})
    async with agent.running():
        await agent.loaded("m")
        agent.config.write(text)
        status = await agent.until(lambda status: status.config_error is not None)
        assert complaint in str(status.config_error)
        assert (status.config_digest, runtime.ready) == (digest, {"m": "one"})
        agent.config.want({"m": claim("m", "one"), "n": claim("n", "two")})
        status = await agent.loaded("m", "n")
        assert status.config_error is None


async def test_an_illegal_model_name_fails_alone_and_escapes_nowhere(
    agent: Agent, runtime: FakeRuntime, claim: Claim, tmp_path: Path
) -> None:
    agent.config.want({"../escaped": claim("m", "bad"), "a/b": claim("m", "bad"), "good": claim("m", "one")})
    async with agent.running():
        await agent.until(
            lambda status: len(status.models) == 3 and all(m.state in ("Loaded", "FailedToLoad") for m in status.models)
        )
        status = await agent.status()
        assert [(model.name, model.last_error and fault(model).reason) for model in status.models] == [
            ("../escaped", "InvalidName"),
            ("a/b", "InvalidName"),
            ("good", None),
        ]
    assert runtime.calls == ["load good"]
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize(
    ("uri", "reason", "advice"),
    [
        pytest.param("s3://no-such-bucket/m", "BucketNotFound", "no such bucket", id="missing bucket"),
        pytest.param("s3://bad-input/nothing/here", "ObjectNotFound", "upload", id="missing object"),
        pytest.param("s3://bad-input/traversal", "UnsafePath", "rename", id="path-traversing key"),
        pytest.param("pvc://unknown/m", "ClaimNotMounted", "unknown", id="missing claim"),
        pytest.param("http://127.0.0.1:1/m.bin", "EndpointUnreachable", "does not answer", id="no such host"),
    ],
)
async def test_a_model_that_cannot_be_fetched_says_why(
    agent: Agent, s3: S3Server, uri: str, reason: str, advice: str
) -> None:
    if "bad-input" in uri:
        s3.put("bad-input", {"traversal/../../escaped": "bad"})
    agent.storage = replace(agent.storage, s3=s3.settings)
    agent.config.want({"m": uri})
    async with agent.running():
        status = await agent.until(lambda status: bool(status.models) and status.models[0].state == "FailedToLoad")
        error = fault(status.models[0])
        assert (error.reason, advice in error.message, uri in error.message) == (reason, True, True), error
        _, metrics = await agent.get("/metrics")
        assert f'mooring_agent_failures_total{{reason="{reason}"}}' in metrics


async def test_credentials_in_a_uri_are_shown_nowhere(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.config.want({"m": "http://user:secret@127.0.0.1:1/m.bin?token=secret"})
    async with agent.running():
        await agent.until(lambda status: bool(status.models) and status.models[0].state == "FailedToLoad")
        _, text = await agent.get("/v1/agent/models")
    assert "secret" not in text
    assert "http://127.0.0.1:1/m.bin" in text
    assert "secret" not in "".join(capsys.readouterr())


async def test_a_long_poll_answers_at_once_for_another_revision_and_waits_for_the_same(
    agent: Agent, claim: Claim
) -> None:
    agent.config.want({})
    async with agent.running():
        status = await agent.until(lambda status: status.config_digest is not None and status.runtime_ready)
        assert (await agent.status(f"?after={status.revision - 1}&timeout_s=30")).revision == status.revision
        assert (await agent.status(f"?after={status.revision}&timeout_s=0.05")).revision == status.revision
        waiting = asyncio.create_task(agent.status(f"?after={status.revision}&timeout_s=30"))
        agent.config.want({"m": claim("m", "one")})
        assert (await waiting).revision > status.revision
        assert (await agent.get("/v1/agent/models?after=x"))[0] == 400
        assert (await agent.get("/healthz"))[0] == 200


async def test_the_list_may_come_late(agent: Agent, runtime: FakeRuntime, claim: Claim) -> None:
    async with agent.running():
        status = await agent.until(lambda status: status.config_error is not None)
        assert "models.json" in str(status.config_error)
        assert (await agent.get("/readyz"))[0] == 503
        agent.config.want({"m": claim("m", "one")})
        await agent.loaded("m")
        assert (await agent.get("/readyz"))[0] == 200
    assert runtime.ready == {"m": "one"}


async def test_a_reader_that_waits_does_not_hold_up_the_shutdown(agent: Agent) -> None:
    agent.config.want({})
    async with agent.running():
        status = await agent.until(lambda status: status.config_digest is not None and status.runtime_ready)
        waiting = asyncio.create_task(agent.status(f"?after={status.revision}&timeout_s=60"))
        await agent.get("/healthz")  # connected later, answered: the reader's request is being waited on
    async with asyncio.timeout(1):
        assert (await waiting).revision > status.revision


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_happens_in_whatever_order_it_converges(
    agent: Agent, runtime: FakeRuntime, claim: Claim, seed: int
) -> None:
    random = Random(seed)
    names, versions = ("a", "b", "c", "d"), ("one", "two", "bad")
    runtime.refused = {"bad"}
    wanted: dict[str, str] = {}

    async def change() -> None:
        for name in random.sample(names, 2):
            wanted.pop(name, None)
            if random.random() < 0.7:
                wanted[name] = random.choice(versions)
        agent.config.want({name: claim(f"{name}/{version}", version) for name, version in wanted.items()})

    async def restart_server() -> None:
        await runtime.stop()
        await runtime.start()

    async def forget_models() -> None:
        runtime.ready.clear()

    for _ in range(2):  # each time with an agent that finds what the one before left
        async with agent.running():
            for _ in range(8):
                await random.choice((change, change, restart_server, forget_models))()
                await agent.status(f"?after={random.choice((0, 1 << 30))}&timeout_s=0.02")
            wanted |= dict.fromkeys(("a", "b"), "one")
            await change()
            for name, version in list(wanted.items()):
                wanted[name] = "two" if version == "bad" else version
            agent.config.want({name: claim(f"{name}/{version}", version) for name, version in wanted.items()})
            await agent.loaded(*wanted, timeout_s=15)
            await agent.until(serves(runtime, wanted))
            await agent.until(lambda _: not list((agent.model_dir / ".staging").iterdir()))
            folders = {path.name for path in agent.model_dir.iterdir() if not path.name.startswith(".")}
            assert folders == wanted.keys()


async def test_an_agent_that_does_not_pull_is_ready_and_calls_nobody(
    agent: Agent, runtime: FakeRuntime, claim: Claim
) -> None:
    agent.options["is_pulling"] = False
    agent.config.want({"m": claim("m", "one")})
    async with agent.running():
        assert (await agent.until(lambda _: True)).models == ()
        assert (await agent.get("/readyz"))[0] == 200
    assert runtime.calls == []
