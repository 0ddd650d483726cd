"""Who is compared with whom: the command of each server."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.runtime.inputs import Inputs
from bench.runtime.peers import KSERVE, MLSERVER

MODEL_FILE = Path(__file__).parents[2] / "examples" / "custom-model" / "model.py"
PROGRAMS = Path(__file__).parent / "programs"

Side = Literal["KServe", "MLServer", "ours"]


@dataclass(frozen=True)
class Target:
    """What issue 4 (5.2) asks of us as a ratio to KServe at full load; `p99` may not be above."""

    throughput: float
    p99: float | None = None


@dataclass(frozen=True)
class Work:
    """What the bundled backend computes."""

    what: Literal["image", "tensor"]
    device: str = "cpu"
    profile: Literal["exact", "fast"] = "exact"


@dataclass(frozen=True)
class Label:
    """What the page says of a server."""

    side: Side
    what: str
    """How it was started; empty: there is nothing to say."""
    target: Target | None = None
    logs: bool = True
    """Those that log each request are compared with each other, and those that do not."""
    work: Work | None = None
    """What it does for a request: the limit without a server (`limit.py`) is that of the same."""

    @property
    def title(self) -> str:
        """In one line."""
        return ", ".join(filter(None, (self.side, self.what)))


@dataclass(frozen=True)
class Arm:
    """One server with one model; `{http}` and `{grpc}` stand for its ports."""

    label: Label
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)


PORTS = ("--http_port", "{http}", "--grpc_port", "{grpc}")
QUIET = ("--enable_latency_logging", "false", "--log_config_file", str(PROGRAMS / "quiet.json"))
OURS = (sys.executable, "-m", "mooring_runtime")
MLSERVER_PORTS = {"MLSERVER_HTTP_PORT": "{http}", "MLSERVER_GRPC_PORT": "{grpc}", "MLSERVER_METRICS_PORT": "{metrics}"}


def kserve(file: Path, model: str, what: str = "", quiet: bool = False, environ: Mapping[str, str] = {}) -> Arm:
    """KServe running a model file."""
    command = (KSERVE.program("python"), str(file), "--model_name", model, *PORTS, *(QUIET if quiet else ()))
    return Arm(Label("KServe", what, logs=not quiet), command, environ)


def same_file(
    file: Path, model: str, what: str, target: Target | None = None, quiet: bool = False, options: Sequence[str] = ()
) -> Arm:
    """Ours running the same."""
    command = (*OURS, "run", str(file), "--model_name", model, *PORTS, *(QUIET if quiet else ()), *options)
    return Arm(Label("ours", what, target, not quiet), command)


def bundled(made: Inputs, work: Work, target: Target | None = None) -> Arm:
    """Ours with its own AlexNet, which needs no code."""
    options = ("--model_dir", str(made.model_dir), "--device", work.device, "--model_name", "alexnet")
    profile, what = (("--profile", "fast"), ", fast profile") if work.profile == "fast" else ((), "")
    return Arm(Label("ours", f"bundled backend{what}", target, work=work), (*OURS, *options, *profile, *PORTS))


def mlserver(folder: str) -> Arm:
    """MLServer with a folder of models."""
    environ = {**MLSERVER_PORTS, "MLSERVER_METRICS_DIR": "{scratch}"}
    return Arm(Label("MLServer", ""), (MLSERVER.program("mlserver"), "start", str(PROGRAMS / folder)), environ)


def same_folder(folder: str) -> Arm:
    """Ours with the same."""
    command = (*OURS, "mlserver", "start", str(PROGRAMS / folder))
    return Arm(Label("ours", "same MLServer folder"), command, MLSERVER_PORTS)
