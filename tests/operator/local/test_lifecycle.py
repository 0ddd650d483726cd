"""Services in local mode, with a tiny server for a model server: real processes, real requests."""

import os
import signal
from collections.abc import Callable
from typing import Any

Isvc = Callable[..., str]
HOSTNAME = "tiny.default.example.com"


async def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_an_unknown_image_is_named_where_the_user_looks(start: Any, isvc: Isvc) -> None:
    local = await start({"a.yaml": isvc(image="registry.example/none:v1")})

    async def waiting() -> Any:
        pods = await local.items("Pod")
        return pods and pods[0]["status"]["containerStatuses"][0]["state"]["waiting"]

    async def explained() -> bool:
        return "--image" in (await local.condition("InferenceService", "tiny")).get("message", "")

    async def has_reason() -> bool:
        return (await waiting() or {}).get("reason") == "ErrImageNeverPull"

    await local.until(has_reason)
    await local.until(explained)


async def test_a_pod_template_that_no_cluster_would_take_is_refused_with_its_field(start: Any, isvc: Isvc) -> None:
    local = await start({"a.yaml": isvc(container="        env: [{name: WORD, value: 1}]\n")})

    async def explained() -> bool:
        return "env[0].value" in (await local.condition("InferenceService", "tiny")).get("message", "")

    await local.until(explained)


async def test_a_crashing_container_is_restarted_with_back_off_and_explained(start: Any, isvc: Isvc) -> None:
    command = "{python} -S -c \"import sys; print('weights are missing'); sys.exit(3)\""
    local = await start({"a.yaml": isvc(image="broken:v1")}, {"broken": command})

    async def crashed_twice() -> Any:
        pods = await local.items("Pod")
        status = pods and pods[0]["status"]["containerStatuses"][0]
        return status if status and status["restartCount"] >= 2 and "waiting" in status["state"] else None

    status = await local.until(crashed_twice)
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert "weights are missing" in status["lastState"]["terminated"]["message"]

    async def explained() -> bool:
        condition = await local.condition("InferenceService", "tiny")
        return condition.get("status") == "False" and "weights are missing" in condition.get("message", "")

    await local.until(explained)
    (local.folder / "a.yaml").write_text(isvc())
    await local.ready("tiny")


async def test_a_killed_process_comes_back(start: Any, isvc: Isvc) -> None:
    local = await start({"a.yaml": isvc()})
    await local.ready("tiny")
    before = (await local.fetch("/", HOSTNAME))[1]["pid"]
    os.kill(before, signal.SIGKILL)

    async def again() -> bool:
        status, answer = await local.fetch("/", HOSTNAME)
        return bool(status == 200 and answer["pid"] != before)

    await local.until(again)
    container = (await local.items("Pod"))[0]["status"]["containerStatuses"][0]
    assert (container["restartCount"], container["lastState"]["terminated"]["exitCode"]) == (1, 137)


async def test_an_edit_rolls_out_without_a_failed_request(start: Any, isvc: Isvc) -> None:
    local = await start({"a.yaml": isvc(word="old")})
    await local.ready("tiny")
    old = (await local.fetch("/", HOSTNAME))[1]["pid"]
    (local.folder / "a.yaml").write_text(isvc(word="new"))
    words = []

    async def is_new() -> bool:
        status, answer = await local.fetch("/", HOSTNAME)
        words.append((status, answer.get("word")))
        return words[-1] == (200, "new")

    await local.until(is_new)

    async def only_one_pod() -> bool:
        words.append(((await local.fetch("/", HOSTNAME))[0], "new"))
        return len(await local.items("Pod")) == 1

    await local.until(only_one_pod)
    assert {status for status, _ in words} == {200}
    assert words[0] == (200, "old")
    assert not await is_alive(old)


async def test_scaling_adds_pods_that_share_the_load_and_zero_stops_them(start: Any, isvc: Isvc) -> None:
    local = await start({"a.yaml": isvc(extra="    minReplicas: 2\n")})
    pids: set[int] = set()

    async def two_answer() -> bool:
        status, answer = await local.fetch("/", HOSTNAME)
        if status == 200:
            pids.add(answer["pid"])
        return len(pids) == 2

    await local.until(two_answer)
    (local.folder / "a.yaml").write_text(isvc(extra="    minReplicas: 0\n"))

    async def none() -> bool:
        return not await local.items("Pod")

    await local.until(none)
    assert [await is_alive(pid) for pid in pids] == [False, False]


async def test_a_malformed_edit_changes_nothing_and_a_deletion_everything(start: Any, isvc: Isvc) -> None:
    local = await start({"a.yaml": isvc()})
    await local.ready("tiny")
    pid = (await local.fetch("/", HOSTNAME))[1]["pid"]
    (local.folder / "a.yaml").write_text("kind: [\n")

    async def complained() -> bool:
        return any(line.startswith(f"error: {local.folder / 'a.yaml'}:") for line in local.lines)

    await local.until(complained)
    assert (await local.fetch("/", HOSTNAME))[1]["pid"] == pid
    (local.folder / "a.yaml").unlink()

    async def gone() -> bool:
        return not await is_alive(pid) and not await local.items("Deployment")

    await local.until(gone)
    assert (await local.fetch("/", HOSTNAME))[0] == 404


async def test_a_deleted_object_stays_away_until_its_file_changes(start: Any, isvc: Isvc) -> None:
    local = await start({"a.yaml": isvc()})
    await local.ready("tiny")
    await local.ask("DELETE", "/objects/InferenceService/default/tiny")

    async def no_pod() -> bool:
        return not await local.items("Pod")

    await local.until(no_pod)
    assert await local.items("InferenceService") == []
    (local.folder / "a.yaml").write_text(isvc(word="again"))
    await local.ready("tiny")


async def test_a_container_that_hangs_is_restarted_by_its_liveness_probe(start: Any, isvc: Isvc) -> None:
    probe = "{httpGet: {path: /alive, port: 8080}, periodSeconds: 1, failureThreshold: 1}"
    local = await start({"a.yaml": isvc(container=f"        livenessProbe: {probe}\n")})
    await local.ready("tiny")
    before = (await local.fetch("/hang", HOSTNAME))[1]["pid"]

    async def restarted() -> bool:
        status, answer = await local.fetch("/", HOSTNAME)
        return bool(status == 200 and answer["pid"] != before)

    await local.until(restarted)


async def test_an_annotation_says_what_to_run(start: Any, isvc: Isvc, tiny: str) -> None:
    annotation = f"annotations: {{mooring.dev/local-command: '{tiny} --from-annotation'}}"
    text = isvc(image="none:v1").replace("{name: tiny}", f"{{name: tiny, {annotation}}}")
    local = await start({"a.yaml": text})
    await local.ready("tiny")
    assert (await local.fetch("/", HOSTNAME))[1]["argv"] == ["--from-annotation"]


async def test_a_secret_reaches_the_container_once_it_exists(start: Any, isvc: Isvc) -> None:
    env = "        env: [{name: WORD, valueFrom: {secretKeyRef: {name: s, key: k}}}]\n"
    local = await start({"a.yaml": isvc(container=env)})

    async def waits_for_secret() -> bool:
        pods = await local.items("Pod")
        waiting = pods and pods[0]["status"]["containerStatuses"][0]["state"].get("waiting")
        return bool(waiting) and "secret 's' not found" in waiting.get("message", "")

    await local.until(waits_for_secret)
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: hush}\n"
    (local.folder / "s.yaml").write_text(secret)
    await local.ready("tiny")
    assert (await local.fetch("/", HOSTNAME))[1]["word"] == "hush"


async def test_when_it_stops_no_process_and_no_folder_is_left(start: Any, isvc: Isvc) -> None:
    local = await start({"a.yaml": isvc()})
    await local.ready("tiny")
    pid = (await local.fetch("/", HOSTNAME))[1]["pid"]
    await local.ask("POST", "/down")

    async def gone() -> bool:
        return not await is_alive(pid) and not list((local.data_dir / "run").glob("*"))

    await local.until(gone)
