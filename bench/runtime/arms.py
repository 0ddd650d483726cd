"""Who is compared with whom: the command of each server, and what it is asked."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.runtime.inputs import Inputs

ROOT = Path(__file__).parents[2]
MODEL_FILE = ROOT / "examples" / "custom-model" / "model.py"
PROGRAMS = Path(__file__).parent / "programs"
JPEG = "JPEG through v1 REST"
IDENTITY = "Identity model through v1 REST"


@dataclass(frozen=True)
class Arm:
    """One server with one model."""

    scenario: str
    title: str
    is_peer: bool
    command: Sequence[str]
    """Without its port."""
    path: str
    body: Path


def arms(kserve_python: str, made: Inputs) -> list[Arm]:
    """All of them; a scenario's peer first."""
    peer = (kserve_python, str(PROGRAMS / "peer.py"))
    ours = (sys.executable, "-m", "mooring_runtime")

    def named(name: str) -> tuple[str, ...]:
        return ("--model_name", name, "--enable_grpc", "false")

    alexnet = ("/v1/models/alexnet:predict", made.image_body)
    identity = ("/v1/models/identity:predict", made.numbers_body)
    model, numbers = str(MODEL_FILE), str(PROGRAMS / "identity.py")
    return [
        Arm(JPEG, "KServe, model file", True, (*peer, model, *named("alexnet")), *alexnet),
        Arm(JPEG, "ours, same model file", False, (*ours, "run", model, *named("alexnet")), *alexnet),
        Arm(
            JPEG,
            "ours, bundled backend",
            False,
            (*ours, "--model_dir", str(made.model_dir), "--device", "cpu", *named("alexnet")),
            *alexnet,
        ),
        Arm(IDENTITY, "KServe", True, (*peer, numbers, *named("identity")), *identity),
        Arm(IDENTITY, "ours", False, (*ours, "run", numbers, *named("identity")), *identity),
    ]
