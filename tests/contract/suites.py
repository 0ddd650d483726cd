"""Which list a peer is asked, by which wire: each is a suite, with a golden file and differences under its name."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import grpc
from tests.contract.answers import HERE, MODELS, REQUESTS, Answer, ask, read_requests
from tests.contract.grpc_answers import ask_grpc, read_grpc_requests
from tests.runtime.launched import Running, launched, started

MLSERVER_MODELS = HERE / "mlserver_models"
MLSERVER_REQUESTS = HERE / "mlserver_requests.yaml"

KSERVE, MLSERVER = "kserve", "mlserver"
MODELS_OF = {KSERVE: MODELS, MLSERVER: MLSERVER_MODELS}


@dataclass(frozen=True)
class Suite:
    """One list on one wire."""

    name: str
    peer: str
    ask_all: Callable[[int, int], dict[str, Answer]]
    """Asks the server at a REST port and a gRPC port, one request after the other; answers by the requests' names."""


def our_server(peer: str) -> AbstractContextManager[Running]:
    """Our runtime with the peer's models, started as a user starts it."""
    if peer == KSERVE:
        return launched(MODELS)
    ports = {"MLSERVER_HOST": "127.0.0.1", "MLSERVER_HTTP_PORT": "0", "MLSERVER_GRPC_PORT": "0"}
    return started("mlserver", "start", str(MLSERVER_MODELS), **ports)


def comparable(peer: str, answer: Any) -> Any:
    """An answer as it is compared: with MLServer, without its `ce-` headers and without null and empty fields.

    MLServer writes only the fields that are set, KServe all of them; ours are KServe's for both.
    """
    if peer == KSERVE:
        return answer
    if isinstance(answer, dict):
        kept = {key: comparable(peer, value) for key, value in answer.items() if not key.startswith("ce-")}
        return {key: value for key, value in kept.items() if value is not None and value != {}}
    return [comparable(peer, value) for value in answer] if isinstance(answer, list) else answer


def _kserve_rest(http_port: int, grpc_port: int) -> dict[str, Answer]:
    return {request.name: ask(http_port, request) for request in read_requests(REQUESTS)}


def _mlserver_rest(http_port: int, grpc_port: int) -> dict[str, Answer]:
    answers = {request.name: ask(http_port, request) for request in read_requests(MLSERVER_REQUESTS)}
    return {name: {**answer, "body": _ordered(answer["body"])} for name, answer in answers.items()}


def _ordered(body: Any) -> Any:
    """A repository index by name: MLServer loads models at once, so its order is chance."""
    if isinstance(body, list) and all(isinstance(line, dict) and "state" in line for line in body):
        return sorted(body, key=lambda line: str(line["name"]))
    return body


def _grpc(peer: str) -> Callable[[int, int], dict[str, Answer]]:
    def ask_all(http_port: int, grpc_port: int) -> dict[str, Answer]:
        with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            return {request.name: ask_grpc(channel, request) for request in read_grpc_requests(peer)}

    return ask_all


SUITES = (
    Suite("kserve", KSERVE, _kserve_rest),
    Suite("kserve_grpc", KSERVE, _grpc(KSERVE)),
    Suite("mlserver", MLSERVER, _mlserver_rest),
    Suite("mlserver_grpc", MLSERVER, _grpc(MLSERVER)),
)
