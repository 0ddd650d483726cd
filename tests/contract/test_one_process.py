"""KServe's and MLServer's own packages work beside ours in one process: our messages live in a pool of their own.

Each has a process here, since they cannot be imported together, with us or without: both register the protobuf package
`inference` in the process-wide pool (spec: runtime.md, fact 11). Triton's client, which does so too, is imported beside
ours by `tests/runtime/test_tritonclient.py`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PEERS = Path(sys.prefix) / "peers"


THEIRS = {"kserve": "kserve.protocol.grpc.grpc_predict_v2_pb2", "mlserver": "mlserver.grpc.dataplane_pb2"}
OURS = "mooring_runtime.grpc_api.messages"

SCRIPT = """
import asyncio, importlib, sys
*first, talk = [importlib.import_module(name) for name in sys.argv[1:]]
asyncio.run(talk.main())
"""


@pytest.mark.parametrize("peer", THEIRS)
@pytest.mark.parametrize("theirs_first", [True, False], ids=["theirs first", "ours first"])
def test_their_package_and_ours_talk_within_one_process(peer: str, theirs_first: bool) -> None:
    assert PEERS.is_dir(), f"{PEERS} is not there: run `make unit`, or its pip install of tests/contract/peers.txt"
    order = [THEIRS[peer], OURS] if theirs_first else [OURS, THEIRS[peer]]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *order, f"tests.contract.one_process.{peer}_beside"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(PEERS)])},
    )
    assert done.returncode == 0, done.stderr
