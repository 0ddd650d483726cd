"""What the bundled backend does without a server, in this process: read and decode a body, stack, compute, answer.

`python -m bench.runtime.limit` prints the fastest of several ways as JSON; `measure` runs it in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product, repeat
from math import prod
from pathlib import Path
from typing import get_args

import orjson
import torch

from bench.runtime.arms import Work
from bench.runtime.inputs import Inputs
from bench.runtime.load import HEADER_LENGTH, Protocol, Question
from bench.runtime.rows import FULL, Limit
from mooring_runtime import InferRequest
from mooring_runtime.backends.base import Backend, Job, run_batch
from mooring_runtime.backends.loading import load_backend
from mooring_runtime.grpc_api import wire
from mooring_runtime.grpc_api.messages import ModelInferRequest
from mooring_runtime.rest_api import v2_wire

BATCHES = (8, 16, 32)
"""Of as many in all as there are connections, so that a server could form them."""
TIMEOUT_S = 120


@dataclass(frozen=True)
class Way:
    """How the CPUs are used."""

    batch: int
    workers: int
    cpus: int

    def run(self, backend: Backend, make: Callable[[int], Job], seconds: float) -> Limit:
        """Answer a request again and again."""
        with ThreadPoolExecutor(self.cpus) as decoders, ThreadPoolExecutor(self.workers) as workers:
            begun = time.monotonic()
            until = begun + seconds
            done = sum(
                workers.map(self._work, *(repeat(each, self.workers) for each in (backend, make, decoders, until)))
            )
            return Limit(done / (time.monotonic() - begun), self.batch, self.workers)

    def _work(self, backend: Backend, make: Callable[[int], Job], decoders: ThreadPoolExecutor, until: float) -> int:
        torch.set_num_threads(max(1, self.cpus // self.workers))  # of this thread
        prepare = map if self.workers == self.cpus else decoders.map
        done = 0
        while time.monotonic() < until:
            jobs = list(prepare(make, range(self.batch)))
            for result in run_batch(backend, jobs):
                if isinstance(result, Exception):
                    raise result
            done += self.batch
        return done


def measure(
    work: Work, question: Question, made: Inputs, cpus: int, seconds: float, environ: Mapping[str, str]
) -> Limit:
    """In another process, as a server would be."""
    options = ("--model_dir", str(made.model_dir), "--device", work.device, "--profile", work.profile)
    asked = ("--body", str(question.body), "--protocol", question.protocol)
    json_length = question.headers.get(HEADER_LENGTH)
    how = ("--cpus", str(cpus), "--seconds", f"{seconds:g}", *(("--json_length", json_length) if json_length else ()))
    command = [sys.executable, "-m", "bench.runtime.limit", *options, *asked, *how]
    ended = subprocess.run(
        command, env={**os.environ, **environ}, check=True, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    return Limit(**json.loads(ended.stdout.splitlines()[-1]))


def _read(backend: Backend, protocol: Protocol, body: bytes, json_length: str | None) -> InferRequest:
    """As a server reads it."""
    if protocol == "v1":
        return backend.from_v1(orjson.loads(body))
    if protocol == "grpc":
        return wire.parse_request(ModelInferRequest.FromString(body))
    return v2_wire.parse_request(body, json_length, "alexnet")


def main() -> None:
    """Try all ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model_dir", type=Path, required=True)
    parser.add_argument("--body", type=Path, required=True, help="of a request, as it is sent")
    parser.add_argument("--protocol", choices=get_args(Protocol), required=True)
    parser.add_argument("--json_length", help="where raw tensors follow")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--profile", default="exact")
    parser.add_argument("--cpus", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="of each way")
    options = parser.parse_args()
    backend, _ = load_backend(options.model_dir, options.device, options.cpus, profile=options.profile)
    body = options.body.read_bytes()

    def make(_: int) -> Job:
        return backend.prepare(_read(backend, options.protocol, body, options.json_length))

    ways = [Way(*each, options.cpus) for each in product(BATCHES, {1, options.cpus}) if prod(each) <= FULL]
    best = max((way.run(backend, make, options.seconds) for way in ways), key=lambda limit: limit.per_second)
    print(json.dumps(asdict(best)))


if __name__ == "__main__":
    main()
