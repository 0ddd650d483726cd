"""The measurements themselves. Each gives named samples; all times are in seconds since `apply`."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import aiohttp
from e2e.manifests import inference_service, trained_model
from e2e.serving import request_body

from bench import meters
from bench.api import Api, Manifest, watching

SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/{}/inferenceservices"
MODELS = "/apis/serving.kserve.io/v1alpha1/namespaces/{}/trainedmodels"
CORE = "/api/v1/namespaces/{}"
POLL_S = 0.01
Samples = dict[str, list[float]]


@dataclass(frozen=True)
class Bench:
    """What every scenario needs."""

    api: Api
    ingress: aiohttp.ClientSession
    image: str
    model_uri: str
    prepare: Callable[[str], object]
    """Makes a namespace whose default service account has the storage's keys."""
    run: str
    """Tells this run's namespaces from those of another that are still being deleted."""
    samples: Samples = field(default_factory=lambda: defaultdict(list))

    def note(self, what: str, value: float) -> None:
        """Keep one figure."""
        self.samples[what].append(value)
        print(f"  {what}: {value:.2f}", flush=True)

    def service(self, name: str) -> Manifest:
        """A tiny InferenceService."""
        return inference_service(name, self.image)

    async def asked(self, host: str, path: str, body: Manifest | None = None) -> int:
        """Status of one request through the ingress; 0 when there was no answer."""
        try:
            async with self.ingress.request("POST" if body else "GET", path, json=body, headers={"Host": host}) as got:
                await got.read()
                return got.status
        except aiohttp.ClientError:
            return 0

    async def until_status(
        self, host: str, path: str, wanted: Callable[[int], bool], body: Manifest | None = None, timeout_s: float = 120
    ) -> float:
        """Ask every 10 ms until the status is as wanted; when that was."""

        async def reached() -> bool:
            return wanted(await self.asked(host, path, body))

        return await until(reached, timeout_s)

    @asynccontextmanager
    async def namespace(self, name: str) -> AsyncIterator[str]:
        """A namespace for one scenario; gone, with its pods, before the next begins."""
        name = f"{name}-{self.run}"
        self.prepare(name)
        try:
            yield name
        finally:
            await self.api.delete(f"/api/v1/namespaces/{name}")
            await until(lambda: self._is_gone(f"/api/v1/namespaces/{name}"), 600, 0.5)

    async def _is_gone(self, path: str) -> bool:
        async with self.api.http.get(path) as answer:
            return answer.status == 404


async def until(reached: Callable[[], Awaitable[bool]], timeout_s: float, poll_s: float = POLL_S) -> float:
    """Ask until it is so; when that was."""
    async with asyncio.timeout(timeout_s):
        while True:
            if await reached():
                return time.time()
            await asyncio.sleep(poll_s)


def is_ready(found: Manifest | None) -> bool:
    """Whether an object says that it is Ready."""
    conditions = (found or {}).get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def host(service: str, namespace: str) -> str:
    """The service's host behind the ingress."""
    return f"{service}.{namespace}.example.com"


async def one_service_at_a_time(bench: Bench, rounds: int) -> None:
    """InferenceService apply -> Ready, and -> first 200 through the ingress."""
    async with bench.namespace("bench-one") as space, watching(bench.api, SERVICES.format(space)) as seen:
        for name in (f"tiny-{number}" for number in range(rounds)):
            begun = time.time()
            await bench.api.create(SERVICES.format(space), bench.service(name))
            ready, answered = await asyncio.gather(
                seen.until(lambda now, name=name: is_ready(now.get(name))),  # type: ignore[misc]  # binds the loop's name
                bench.until_status(host(name, space), "/v2/health/ready", lambda status: status == 200),
            )
            bench.note("isvc ready", ready - begun)
            bench.note("isvc answers", answered - begun)
            await bench.api.delete(f"{SERVICES.format(space)}/{name}")


async def one_model_at_a_time(bench: Bench, rounds: int) -> None:
    """TrainedModel apply -> READY, -> agent starts downloading, -> first 200; delete -> unloaded."""
    async with bench.namespace("bench-models") as space, watching(bench.api, MODELS.format(space)) as seen:
        front = host("many", space)
        await bench.api.create(SERVICES.format(space), bench.service("many"))
        await _model_round_trip(bench, space, front, "warm-up")
        await seen.until(lambda now: is_ready(now.get("warm-up")))
        for name in (f"model-{number}" for number in range(rounds)):
            begun = time.time()
            path = f"/v2/models/{name}/infer"
            await bench.api.create(MODELS.format(space), trained_model(name, "many", bench.model_uri))
            ready, answered = await asyncio.gather(
                seen.until(lambda now, name=name: is_ready(now.get(name))),  # type: ignore[misc]  # binds the loop's name
                bench.until_status(front, path, lambda status: status == 200, request_body(1.0)),
            )
            bench.note("tm ready", ready - begun)
            bench.note("tm answers", answered - begun)
            for what, at in (await _agent_times(bench.api, space, name)).items():
                bench.note(what, at - begun)
            begun = time.time()
            await bench.api.delete(f"{MODELS.format(space)}/{name}")
            gone = await bench.until_status(front, path, lambda status: status == 404, request_body(1.0))
            bench.note("tm unloaded", gone - begun)


async def _model_round_trip(bench: Bench, space: str, front: str, name: str) -> None:
    await bench.api.create(MODELS.format(space), trained_model(name, "many", bench.model_uri))
    await bench.until_status(front, f"/v2/models/{name}/infer", lambda status: status == 200, request_body(1.0))


async def _agent_times(api: Api, space: str, model: str) -> dict[str, float]:
    """When the agent began to download the model and had it loaded: from the times in its own log lines."""
    pods = await api.get(f"{CORE.format(space)}/pods?labelSelector=serving.kserve.io/inferenceservice=many")
    running = next(pod for pod in pods["items"] if "deletionTimestamp" not in pod["metadata"])
    log = await api.text(f"{CORE.format(space)}/pods/{running['metadata']['name']}/log?container=agent")
    lines = [json.loads(line) for line in log.splitlines()]
    at = [datetime.fromisoformat(line["ts"]).timestamp() for line in lines]
    loaded = max(i for i, line in enumerate(lines) if line["msg"] == f"Successfully loaded model {model}")
    begun = max(i for i, line in enumerate(lines[:loaded]) if line["msg"].startswith("Downloading model from"))
    return {"tm downloading": at[begun], "tm loaded": at[loaded]}


async def many_services(bench: Bench, count: int, rounds: int, idle_s: float) -> None:
    """`count` InferenceServices at once: until all children exist, requests, CPU; then idle, once."""
    for number in range(rounds):
        async with bench.namespace(f"bench-hundred-{number}") as space:
            before = await _meter(bench)
            await _create_services(bench, space, count)
            after = await _until_quiet(bench)
            bench.note("100 isvc requests", (after[0] - before[0]).total)
            bench.note("100 isvc writes", (after[0] - before[0]).writes)
            bench.note("100 isvc cpu", (after[1] - before[1]).cpu_s)
            bench.note("operator memory", after[1].memory_bytes / 2**20)
            if number == 0:
                idle = await _meter(bench)
                await asyncio.sleep(idle_s)
                later = await _meter(bench)
                bench.note("idle requests", (later[0] - idle[0]).total)
                bench.note("idle cpu", (later[1] - idle[1]).cpu_s)


async def _create_services(bench: Bench, space: str, count: int) -> None:
    wanted = {"deployments": count, "services": 2 * count, "ingresses": count}
    async with (
        watching(bench.api, f"/apis/apps/v1/namespaces/{space}/deployments") as deployments,
        watching(bench.api, f"/api/v1/namespaces/{space}/services") as services,
        watching(bench.api, f"/apis/networking.k8s.io/v1/namespaces/{space}/ingresses") as ingresses,
        watching(bench.api, SERVICES.format(space)) as parents,
    ):
        begun = time.time()
        manifests = (bench.service(f"tiny-{number}") for number in range(count))
        await bench.api.create_all(SERVICES.format(space), manifests)
        bench.note("100 isvc created by the client", time.time() - begun)
        ends = await asyncio.gather(
            deployments.until(lambda now: len(now) == wanted["deployments"]),
            services.until(lambda now: len(now) == wanted["services"]),
            ingresses.until(lambda now: len(now) == wanted["ingresses"]),
        )
        bench.note("100 isvc children", max(ends) - begun)
        ready = await parents.until(lambda now: sum(map(is_ready, now.values())) == count, 600)
        bench.note("100 isvc ready", ready - begun)


async def many_models(bench: Bench, count: int, rounds: int) -> None:
    """`count` TrainedModels of one service at once: until the ConfigMap has them, all are READY, all are loaded."""
    for number in range(rounds):
        async with bench.namespace(f"bench-many-{number}") as space:
            front = host("many", space)
            await bench.api.create(SERVICES.format(space), bench.service("many"))
            await _model_round_trip(bench, space, front, "warm-up")
            before, agents = await _until_quiet(bench), await meters.agent_usage(bench.api, space)
            await _create_models(bench, space, front, count)
            after, agents_after = await _until_quiet(bench), await meters.agent_usage(bench.api, space)
            bench.note("500 tm cpu", (after[1] - before[1]).cpu_s)
            bench.note("500 tm requests", (after[0] - before[0]).total)
            bench.note("500 tm all writes", (after[0] - before[0]).writes)
            bench.note("500 tm agent cpu", (agents_after - agents).cpu_s)
            bench.note("agent memory", agents_after.memory_bytes / 2**20)


async def _create_models(bench: Bench, space: str, front: str, count: int) -> None:
    def listed(now: Mapping[str, Manifest]) -> bool:
        return len(json.loads(now["modelconfig-many-0"]["data"]["models.json"])) == count + 1

    async def loaded() -> bool:
        return await _index(bench, front) == count + 1

    async with (
        watching(bench.api, f"{CORE.format(space)}/configmaps") as maps,
        watching(bench.api, MODELS.format(space)) as models,
    ):
        begun = time.time()
        manifests = (trained_model(f"model-{n}", "many", bench.model_uri) for n in range(count))
        await bench.api.create_all(MODELS.format(space), manifests)
        bench.note("500 tm created by the client", time.time() - begun)
        ends = await asyncio.gather(
            maps.until(listed),
            models.until(lambda now: sum(map(is_ready, now.values())) == count + 1, 300),
            until(loaded, 300, 0.1),
        )
        for what, end in zip(("500 tm listed", "500 tm ready", "500 tm loaded"), ends, strict=True):
            bench.note(what, end - begun)
        bench.note("500 tm map writes", maps.writes)


async def _index(bench: Bench, front: str) -> int:
    """Models in the server's own index."""
    async with bench.ingress.post("/v2/repository/index", json={}, headers={"Host": front}) as answer:
        return len(await answer.json()) if answer.status == 200 else 0


async def _meter(bench: Bench) -> tuple[meters.Requests, meters.Usage]:
    return await meters.operator_requests(bench.api), await meters.operator_usage(bench.api)


async def _until_quiet(bench: Bench, quiet_s: float = 3.0) -> tuple[meters.Requests, meters.Usage]:
    """Wait until the operator has written nothing for a while, so that late writes count too."""
    before = await _meter(bench)
    async with asyncio.timeout(300):
        while True:
            await asyncio.sleep(quiet_s)
            now = await _meter(bench)
            if now[0].writes == before[0].writes:
                return now
            before = now
