"""`bench/results/runtime.md`: ours divided by the peers', then every run as a row."""

from collections.abc import Sequence

from bench.report import table
from bench.runtime import rows
from bench.runtime.inputs import SIZE
from bench.runtime.record import Measured, Stamp


def markdown(measured: Sequence[Measured], jpeg_bytes: int, no_gpu: str) -> str:
    """The page; `no_gpu` says why there is no table of one."""
    ratios = [row for each in measured for row in rows.ratios(each.title, each.stamp.processor, each.runs)]
    limits = [row for each in measured for row in rows.limits(each.title, each.runs, each.limits)]
    health = [row for each in measured for row in rows.health(each.title, each.runs)]
    agreement = [rows.agreement(each.title, each.agreement) for each in measured if each.agreement]
    sections = "\n\n".join([*(_section(each) for each in measured), *([f"## GPU\n\n{no_gpu}"] if no_gpu else [])])
    return f"""# Runtime: ours beside KServe and MLServer

`make bench-runtime` writes this page; each scenario has all its servers in one run, with the same client, inputs,
weights and number of threads. **no** is a target of ours that is still open; "undecided" is one where other processes
of the machine took more than {rows.QUIET_CPUS:g} CPUs in either row, so that the ratio proves nothing: it is open too.

## Ours / theirs, at {rows.FULL} connections

{table(rows.RATIOS, ratios)}

## Ours beside what the machine does without a server

The same backend in a process of its own, with as many CPUs, after each round: it reads the body that the servers are
sent, decodes, stacks, computes and answers. Batches of 8, 16 and 32 are tried, with all CPUs for one batch and with a
batch for each CPU, of no more than {rows.FULL} at once, which is what a server has with {rows.FULL} connections. The
fastest is the limit, and the median round's counts.

{table(rows.LIMITS, limits)}

## `GET /v2/health/live` under full load

One more connection asks 50 times a second while {rows.FULL} send; the answers of all rounds count.

{table(rows.HEALTH, health)}

## The fast profile's answers beside the exact ones

On pictures of 280 to 800 pixels a side that the bench draws (seeded). The weights are random: trained ones give the
first class a larger lead, so that top 1 agrees more often.

{table(rows.AGREEMENT, agreement)}

{sections}

## How

Each server is on loopback with its defaults; MLServer, with one worker process, has `debug` off. A scenario's servers
are all up and loaded one at a time, in turns; a row is the round of the median throughput, with the errors of all
rounds. The same torch, Pillow, numpy, weights (fixed seed, fp32) and thread count everywhere.

- The image is a JPEG of {SIZE[0]} x {SIZE[1]} pixels, {jpeg_bytes // 1024} KiB, base64 in a v1 body; the tensor is FP32
  1x3x224x224; identity gets four numbers.
- "Model file" of the image is `examples/custom-model/model.py`, unedited on both servers; the others are in
  `bench/runtime/programs`. "Bundled backend" is our own AlexNet, which needs no code; it alone batches, so the targets
  of AlexNet are its.
- "No log of requests" switches off the latency line and the access log, by the same flags on both sides.
- Answers are compared before anything is timed (numbers within 1e-4), then one second warms up. Each round begins once
  all servers are idle: some compute on for clients that have left.
- REST is loaded by `wrk` (C, one thread), gRPC by `ghz` (Go), on the same cores, with kept connections, each of which
  sends its next request once answered. wrk corrects its percentiles for coordinated omission, of every server alike.
- Errors are answers other than 200 or OK and requests without an answer; requests/s counts good ones. "To the first" is
  requests/s divided by those of the first server with as many connections. Server's CPUs and RSS are of its process and
  all that it started. Others' CPUs are what the rest of the machine took, in the worst round; so is the health probe. A
  round in which they took more than {rows.QUIET_CPUS:g} is repeated once, and the quieter one counts.
"""


def _section(each: Measured) -> str:
    return f"## {each.title}\n\n{_stamp(each.stamp)}\n\n{table(rows.HEADER, rows.scenario(each.runs))}"


def _stamp(stamp: Stamp) -> str:
    peers = ", ".join(f"{name} {release}" for name, release in stamp.peers.items())
    return (
        f"{stamp.when} UTC, commit {stamp.commit}, {stamp.machine}, {stamp.threads} threads for torch, {peers}, "
        f"{stamp.rounds} rounds of {stamp.seconds} s."
    )
