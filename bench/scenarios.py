"""What a scenario needs, and the scenarios of one object at a time. All times are in seconds since `apply`."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import aiohttp
from e2e.manifests import inference_service, trained_model
from e2e.serving import request_body

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
        await model_round_trip(bench, space, front, "warm-up")
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


async def model_round_trip(bench: Bench, space: str, front: str, name: str) -> None:
    """Create a model and wait for its first answer."""
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
