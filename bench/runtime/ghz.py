"""The load generator `ghz` (Go), for gRPC: its command line, and what it prints."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from e2e.target import ROOT, node_command

from bench.runtime.load import Load, Question, percentile

PROTO = ROOT / "runtime" / "mooring_runtime" / "grpc_api" / "oip.proto"
UNPACKED = Path("/var/tmp/kube-node/bin/ghz")  # where `node clients` puts it
NS_PER_S = 1e9


def find() -> str:
    """The program; unpacks the test node's clients when it is nowhere.

    Raises:
        SystemExit: it is not there and cannot be unpacked.
    """
    if path := shutil.which("ghz"):
        return path
    if not UNPACKED.exists():
        node = node_command()
        if not node.exists():
            raise SystemExit("ghz is not on PATH: install https://ghz.sh and run again.")
        subprocess.run([node, "clients"], check=True)
    return str(UNPACKED)


def start(program: str, port: int, question: Question, connections: int, seconds: float) -> subprocess.Popen[str]:
    """Begin to call, one call at a time on each connection."""
    many = ("-c", str(connections), "--connections", str(connections), "-z", f"{seconds:g}s", "--duration-stop", "wait")
    what = ("--insecure", "--proto", str(PROTO), "--call", question.path, "-B", str(question.body), "-O", "json")
    command = (program, *what, *many, f"127.0.0.1:{port}")
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def parse(printed: str) -> Load:
    """Read its JSON; every call is in it, with its time.

    Raises:
        ValueError: nothing was answered, or it did not run.
    """
    try:
        document: dict[str, Any] = json.loads(printed)
    except ValueError:
        raise ValueError(f"ghz did not run: {printed.strip()[:300]}") from None
    calls = document["details"] or []
    times_s = [call["latency"] / NS_PER_S for call in calls if call["status"] == "OK"]
    if not times_s:
        raise ValueError(f"ghz saw no answer: {document['errorDistribution']}")
    total_s = document["total"] / NS_PER_S
    return Load(len(times_s), len(calls) - len(times_s), total_s, percentile(times_s, 50), percentile(times_s, 99))
