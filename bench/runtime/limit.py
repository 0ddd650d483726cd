"""What the bundled backend does without a server: decode, stack, compute, answer, in this process.

`python -m bench.runtime.limit` prints the fastest of several ways as JSON; `measure` runs it in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product, repeat
from math import prod
from pathlib import Path

import numpy as np
import torch

from bench.runtime.arms import Work
from bench.runtime.inputs import Inputs
from bench.runtime.rows import FULL, Limit
from mooring_runtime import InferInput, InferRequest
from mooring_runtime.backends.base import Backend, run_batch
from mooring_runtime.backends.loading import load_backend

BATCHES = (8, 16, 32)
"""Of as many in all as there are connections, so that a server could form them."""
TIMEOUT_S = 120


@dataclass(frozen=True)
class Way:
    """How the CPUs are used."""

    batch: int
    workers: int
    cpus: int

    def run(self, backend: Backend, request: InferRequest, seconds: float) -> Limit:
        """Answer the request again and again, from its parsed form on."""
        with ThreadPoolExecutor(self.cpus) as decoders, ThreadPoolExecutor(self.workers) as workers:
            begun = time.monotonic()
            until = begun + seconds
            done = sum(
                workers.map(self._work, *(repeat(each, self.workers) for each in (backend, request, decoders, until)))
            )
            return Limit(done / (time.monotonic() - begun), self.batch, self.workers)

    def _work(self, backend: Backend, request: InferRequest, decoders: ThreadPoolExecutor, until: float) -> int:
        torch.set_num_threads(max(1, self.cpus // self.workers))  # of this thread
        prepare = map if self.workers == self.cpus else decoders.map
        done = 0
        while time.monotonic() < until:
            jobs = list(prepare(backend.prepare, repeat(request, self.batch)))
            for result in run_batch(backend, jobs):
                if isinstance(result, Exception):
                    raise result
            done += self.batch
        return done


def measure(work: Work, made: Inputs, cpus: int, seconds: float, environ: Mapping[str, str]) -> Limit:
    """In another process, as a server would be."""
    body = made.image if work.what == "image" else made.tensor_json
    options = ("--model_dir", str(made.model_dir), "--what", work.what, "--body", str(body), "--device", work.device)
    how = ("--profile", work.profile, "--cpus", str(cpus), "--seconds", f"{seconds:g}")
    command = [sys.executable, "-m", "bench.runtime.limit", *options, *how]
    ended = subprocess.run(
        command, env={**os.environ, **environ}, check=True, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    return Limit(**json.loads(ended.stdout.splitlines()[-1]))


def _request(backend: Backend, what: str, body: bytes) -> InferRequest:
    document = json.loads(body)
    if what == "image":
        return backend.from_v1(document)
    (tensor,) = document["inputs"]
    array = np.array(tensor["data"], np.float32).reshape(tensor["shape"])
    return InferRequest("alexnet", [InferInput(tensor["name"], tensor["shape"], tensor["datatype"], array)])


def main() -> None:
    """Try all ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model_dir", type=Path, required=True)
    parser.add_argument("--what", choices=("image", "tensor"), required=True)
    parser.add_argument("--body", type=Path, required=True, help="v1 of an image, v2 of a tensor, as JSON")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--profile", default="exact")
    parser.add_argument("--cpus", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="of each way")
    options = parser.parse_args()
    backend, _ = load_backend(options.model_dir, options.device, options.cpus, profile=options.profile)
    request = _request(backend, options.what, options.body.read_bytes())
    ways = [Way(*each, options.cpus) for each in product(BATCHES, {1, options.cpus}) if prod(each) <= FULL]
    best = max((way.run(backend, request, options.seconds) for way in ways), key=lambda limit: limit.per_second)
    print(json.dumps(asdict(best)))


if __name__ == "__main__":
    main()
