"""The scenarios of hundreds of objects at once, and of rest. All times are in seconds since the first `apply`."""

import asyncio
import json
import time
from collections.abc import Mapping

import aiohttp
from e2e.manifests import trained_model

from bench import meters
from bench.api import Manifest, watching
from bench.scenarios import CORE, MODELS, SERVICES, Bench, host, is_ready, model_round_trip, until


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
            await model_round_trip(bench, space, front, "warm-up")
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
    """Models in the server's own index; 0 while it does not answer, or not to the end."""
    try:
        async with bench.ingress.post("/v2/repository/index", json={}, headers={"Host": front}) as answer:
            return len(await answer.json()) if answer.status == 200 else 0
    except aiohttp.ClientError:
        return 0


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
