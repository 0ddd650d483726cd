"""What the steps of a request cost alone, without a server: `python -m bench.runtime.steps`.

The times are CPU time, which a busy machine changes little: the middle of many goes, on a warm cache, in one thread.
docs/performance.md cites them.
"""

import base64
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import orjson
import torch

from bench.report import machine, table
from bench.runtime import inputs
from bench.runtime.inputs import Inputs
from mooring_runtime import InferRequest
from mooring_runtime.backends.base import Backend, TypedArray, run_batch
from mooring_runtime.backends.loading import load_backend
from mooring_runtime.datatypes import Array
from mooring_runtime.grpc_api import wire
from mooring_runtime.grpc_api.messages import ModelInferRequest
from mooring_runtime.rest_api import v2_wire

LEAST_S = 0.5
"""For each step."""
BATCHES = (1, 8, 16, 32)
PROFILES = ("exact", "fast")

Step = tuple[str, float]


def middle_s(work: Callable[[], object]) -> float:
    """The median of as many goes as fit, at least five; one more comes before, and does not count."""
    work()
    took: list[float] = []
    until = time.perf_counter() + LEAST_S
    while time.perf_counter() < until or len(took) < 5:
        begun = time.process_time()
        work()
        took.append(time.process_time() - begun)
    return statistics.median(took)


def _reading(made: Inputs) -> Iterator[Step]:
    """From the bytes of a body to arrays."""
    image, document = made.image.read_bytes(), made.tensor_json.read_bytes()
    binary, message = made.tensor_binary.read_bytes(), made.tensor_message.read_bytes()
    text = json.loads(image)["instances"][0]["image"]["b64"]
    yield f"parse a v1 body of {len(image) // 1024} KiB (orjson)", middle_s(lambda: orjson.loads(image))
    yield "base64 of it to a JPEG", middle_s(lambda: base64.b64decode(text, validate=True))
    yield (
        f"tensor: JSON of {len(document) // 1024} KiB",
        middle_s(lambda: _array(v2_wire.parse_request(document, None, "m"))),
    )
    length = str(made.tensor_json_length)
    yield "tensor: binary body", middle_s(lambda: _array(v2_wire.parse_request(binary, length, "m")))
    yield "tensor: gRPC message", middle_s(lambda: _array(wire.parse_request(ModelInferRequest.FromString(message))))
    yield f"copy {len(binary) // 1024} KiB once", middle_s(lambda: bytearray(binary))


def _array(request: InferRequest) -> Array:
    return request.inputs[0].as_numpy()


def _computing(made: Inputs, profile: str) -> Iterator[Step]:
    """From arrays to answers."""
    backend: Backend = load_backend(made.model_dir, "cpu", 1, profile=profile)[0]
    request = backend.from_v1(json.loads(made.image.read_bytes()))
    job = backend.prepare(request)
    yield f"{profile}: JPEG to a tensor (base64 included)", middle_s(lambda: backend.prepare(request))
    for rows in BATCHES:
        stack = [TypedArray(job.inputs[0].datatype, np.concatenate([job.inputs[0].array] * rows))]
        yield f"{profile}: forward, of {rows}, for one", middle_s(partial(backend.forward, stack)) / rows
    yield f"{profile}: stack, forward and answer, of 16, for one", middle_s(lambda: run_batch(backend, [job] * 16)) / 16


def _multiplying() -> Iterator[Step]:
    """What the CPU does at its best: an image takes AlexNet 0.714 GFMA."""
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.ones(1024, 1024, dtype=dtype), torch.ones(1024, 1024, dtype=dtype)
        yield f"1 GFMA of {dtype}, as a matrix product", middle_s(partial(torch.mm, a, b)) * 1e9 / 1024**3


def main() -> None:
    """Measure, print."""
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as name:
        made = inputs.write(Path(name))
        steps = [
            *_reading(made),
            *(step for profile in PROFILES for step in _computing(made, profile)),
            *_multiplying(),
        ]
    print(machine(), end="\n\n")
    print(table(("step", "CPU ms"), [(what, f"{took_s * 1000:.3f}") for what, took_s in steps]))


if __name__ == "__main__":
    main()
