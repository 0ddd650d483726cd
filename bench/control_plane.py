"""`make bench`: measure the control plane on the test node and write `bench/results/control-plane.md`.

`--quick` takes one round of the large scenarios and three of the small ones.
"""

import argparse
import asyncio
import os
import secrets
import subprocess
from dataclasses import dataclass

import aiohttp
from e2e import images
from e2e.kube import Cluster, connect
from e2e.models import tiny
from e2e.release import installed
from e2e.storage import namespace_with_keys, open_storage
from e2e.target import ROOT, Target, open_target

from bench import crowds, meters, scenarios
from bench.api import connect as connect_api
from bench.api import trusted_server
from bench.report import RESULTS, Reference, Row, markdown
from bench.scenarios import Bench

REFERENCES = {
    "isvc ready": Reference("InferenceService apply -> Ready (s)", 1.68, 1.68, 4.0),
    "isvc answers": Reference("InferenceService apply -> first 200 through the ingress (s)", 1.74),
    "tm ready": Reference("TrainedModel apply -> READY True (s); KServe's 0.11 is not true yet"),
    "tm downloading": Reference("TrainedModel apply -> agent starts downloading (s)", 48.4),
    "tm answers": Reference("TrainedModel apply -> first 200 (s)", 48.4, 2.0),
    "tm unloaded": Reference("TrainedModel delete -> unloaded (s)", 54.1, 2.0),
    "100 isvc created by the client": Reference("100 InferenceServices: created by the client (s)"),
    "100 isvc children": Reference("100 InferenceServices: all their children exist (s)", 3.67, 4.0),
    "100 isvc ready": Reference("100 InferenceServices: all Ready (s)"),
    "100 isvc cpu": Reference("100 InferenceServices: operator CPU (s)", 2.70),
    "100 isvc requests": Reference("100 InferenceServices: API requests", 4092),
    "100 isvc writes": Reference("100 InferenceServices: of them writes, events included", 1339, 800),
    "500 tm created by the client": Reference("500 TrainedModels: created by the client (s)"),
    "500 tm listed": Reference("500 TrainedModels: ConfigMap holds all (s)", 8.81, 3.0),
    "500 tm ready": Reference("500 TrainedModels: all READY (s); KServe's is not true yet", 15.0),
    "500 tm loaded": Reference("500 TrainedModels: every model loaded, in the server's own index (s)", None, 15.0),
    "500 tm cpu": Reference("500 TrainedModels: operator CPU (s)", 7.6),
    "500 tm map writes": Reference("500 TrainedModels: writes of the ConfigMap", 1500, 20),
    "500 tm requests": Reference("500 TrainedModels: API requests of the operator"),
    "500 tm agent cpu": Reference("500 TrainedModels: agent CPU (s)"),
    "idle requests": Reference("Idle with 100 services for 45 s: API requests", 29, 29),
    "idle cpu": Reference("Idle with 100 services for 45 s: operator CPU (s)", 0.11),
    "operator memory": Reference("Operator: resident memory with 100 services (MiB)", 80),
    "agent memory": Reference("Agent: resident memory with 500 models (MiB)"),
}


OPERATOR_RESOURCES = {"requests": {"cpu": "400m"}}
"""KServe's manager had been given 1 CPU. Two operators with 400m leave room for 100 pods on two CPUs."""


@dataclass(frozen=True)
class Rounds:
    """How often each scenario is repeated."""

    services: int = 20
    models: int = 10
    hundred: int = 3
    many: int = 3


QUICK = Rounds(3, 3, 1, 1)


async def measure(target: Target, cluster: Cluster, image: str, rounds: Rounds) -> scenarios.Samples:
    """Run every scenario."""
    storage, run = open_storage(target), secrets.token_hex(2)
    uri = storage.s3_folder("bench", "model", tiny(2))
    async with (
        connect_api(*trusted_server(target.environ)) as api,
        aiohttp.ClientSession(base_url=target.ingress_url) as ingress,
    ):
        bench = Bench(api, ingress, image, uri, lambda name: namespace_with_keys(cluster, storage, name), run)
        await meters.count_operator_requests(api)
        try:
            await scenarios.one_service_at_a_time(bench, rounds.services)
            await scenarios.one_model_at_a_time(bench, rounds.models)
            await crowds.many_models(bench, 500, rounds.many)
            await crowds.many_services(bench, 100, rounds.hundred, idle_s=45)
        finally:
            await meters.stop_counting(api)
    return bench.samples


def main() -> None:
    """Install, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds; the report says so")
    quick = parser.parse_args().quick
    os.environ.setdefault("MOORING_NODE", "1")
    target = open_target()
    names = images.provide(target)
    with connect(target.environ) as cluster, installed(target, cluster, names, resources=OPERATOR_RESOURCES):
        samples = asyncio.run(measure(target, cluster, names["tiny-server"], QUICK if quick else Rounds()))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    rows = [Row(reference, samples[what]) for what, reference in REFERENCES.items() if samples.get(what)]
    page = markdown(rows, commit.strip(), "A quick run: few rounds." if quick else "")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
