"""What the servers are asked, and which of them are asked it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.runtime.arms import (
    MODEL_FILE,
    PROGRAMS,
    Arm,
    Target,
    Work,
    bundled,
    kserve,
    mlserver,
    same_file,
    same_folder,
)
from bench.runtime.inputs import Inputs
from bench.runtime.load import HEADER_LENGTH, Question

ALEXNET, IDENTITY = PROGRAMS / "alexnet.py", PROGRAMS / "identity.py"
V1, V2, GRPC = "/v1/models/{}:predict", "/v2/models/{}/infer", "inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True)
class Scenario:
    """One question to several servers; the first is the one that the others are divided by."""

    title: str
    question: Question
    arms: Sequence[Arm]
    is_probed: bool = False
    """Whether health is asked meanwhile."""


def _jpeg(made: Inputs) -> Scenario:
    arms = (
        kserve(MODEL_FILE, "alexnet", "model file"),
        same_file(MODEL_FILE, "alexnet", "same model file"),
        same_file(MODEL_FILE, "alexnet", "same model file, --concurrency 2", options=("--concurrency", "2")),
        bundled(made, Work("image"), Target(2.5, 0.5)),
        bundled(made, Work("image", profile="fast"), Target(6)),
    )
    return Scenario(
        "JPEG through v1 REST", Question(V1.format("alexnet"), made.image, protocol="v1"), arms, is_probed=True
    )


def _binary(made: Inputs) -> Scenario:
    headers = {
        "Content-Type": "application/octet-stream",
        HEADER_LENGTH: str(made.tensor_json_length),
    }
    arms = (
        kserve(ALEXNET, "alexnet", "model file"),
        same_file(ALEXNET, "alexnet", "same model file"),
        same_file(ALEXNET, "alexnet", "same model file, --concurrency 2", options=("--concurrency", "2")),
        bundled(made, Work("tensor"), Target(7)),
        bundled(made, Work("tensor", profile="fast")),
    )
    question = Question(V2.format("alexnet"), made.tensor_binary, headers)
    return Scenario("FP32 tensor through binary v2 REST", question, arms, is_probed=True)


def _on_gpu(made: Inputs, title: str, question: Question, what: Literal["image", "tensor"]) -> Scenario:
    """Without targets: KServe's sample leaves its model on the CPU, so this peer is one that we moved to the GPU."""
    arms = (
        kserve(ALEXNET, "alexnet", "model file", environ={"BENCH_DEVICE": "cuda"}),
        bundled(made, Work(what, "cuda")),
    )
    return Scenario(f"{title}, on the GPU", question, arms, is_probed=True)


def _jpeg_gpu(made: Inputs) -> Scenario:
    scenario = _jpeg(made)
    return _on_gpu(made, scenario.title, scenario.question, "image")


def _binary_gpu(made: Inputs) -> Scenario:
    scenario = _binary(made)
    return _on_gpu(made, scenario.title, scenario.question, "tensor")


def _tensor_arms(made: Inputs, target: Target | None) -> tuple[Arm, ...]:
    return (
        kserve(ALEXNET, "alexnet", "model file"),
        mlserver("mlserver_alexnet"),
        same_folder("mlserver_alexnet"),
        bundled(made, Work("tensor"), target),
    )


def _json(made: Inputs) -> Scenario:
    question = Question(V2.format("alexnet"), made.tensor_json)
    return Scenario("FP32 tensor as JSON through v2 REST", question, _tensor_arms(made, None))


def _grpc(made: Inputs) -> Scenario:
    question = Question(GRPC, made.tensor_message, protocol="grpc")
    return Scenario("FP32 tensor, raw, through gRPC", question, _tensor_arms(made, Target(2.5)))


def _identity(made: Inputs) -> Scenario:
    target = Target(5)
    arms = (
        kserve(IDENTITY, "identity"),
        same_file(IDENTITY, "identity", "same model file", target),
        kserve(IDENTITY, "identity", "no log of requests", quiet=True),
        same_file(IDENTITY, "identity", "same model file, no log of requests", target, quiet=True),
    )
    return Scenario("Identity through v1 REST", Question(V1.format("identity"), made.numbers, protocol="v1"), arms)


def _identity_arms() -> tuple[Arm, ...]:
    return (
        kserve(IDENTITY, "identity"),
        mlserver("mlserver_identity"),
        same_file(IDENTITY, "identity", "KServe's model file"),
        same_folder("mlserver_identity"),
    )


def _identity_v2(made: Inputs) -> Scenario:
    question = Question(V2.format("identity"), made.numbers_json)
    return Scenario("Identity through v2 REST", question, _identity_arms())


def _identity_grpc(made: Inputs) -> Scenario:
    question = Question(GRPC, made.numbers_message, protocol="grpc")
    return Scenario("Identity through gRPC, raw", question, _identity_arms())


SCENARIOS: Mapping[str, Callable[[Inputs], Scenario]] = {
    "jpeg": _jpeg,
    "binary": _binary,
    "json": _json,
    "grpc": _grpc,
    "identity": _identity,
    "identity-v2": _identity_v2,
    "identity-grpc": _identity_grpc,
    "jpeg-gpu": _jpeg_gpu,
    "binary-gpu": _binary_gpu,
}
"""By the names that `--only` takes."""
GPU = frozenset({"jpeg-gpu", "binary-gpu"})
"""Those that need one."""
