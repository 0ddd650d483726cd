"""What the servers answer, compared before anything is timed."""

import json
from collections.abc import Sequence

import grpc
import numpy as np

from bench.runtime.arms import Arm
from bench.runtime.load import FINISH_S, Question
from bench.runtime.servers import Server, ask
from mooring_runtime import InferResponse
from mooring_runtime.datatypes import Array
from mooring_runtime.grpc_api.messages import message

TOLERANCE = 1e-4


def compare(question: Question, running: Sequence[tuple[Arm, Server]]) -> None:
    """Ask all of them; how far the fast profile is off, `agreement` says.

    Raises:
        SystemExit: one answers other numbers than the first.
    """
    first: Array | None = None
    for arm, server in running:
        answer = _answer(question, server, arm.label.title)
        first = answer if first is None else first
        is_exact = arm.label.work is None or arm.label.work.profile == "exact"
        if answer.size != first.size or (is_exact and not np.allclose(answer, first, TOLERANCE, TOLERANCE)):
            raise SystemExit(f"{arm.label.title} answers {answer}, not {first}: there is nothing to compare.")


def _answer(question: Question, server: Server, title: str) -> Array:
    """The numbers of its answer, flat."""
    body = question.body.read_bytes()
    if question.protocol == "grpc":
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            call = channel.unary_unary(f"/{question.path}", None, message("ModelInferResponse").FromString)
            return InferResponse.from_grpc_message(call(body, timeout=FINISH_S)).outputs[0].as_numpy().ravel()
    status, answer = ask(server.http_port, "POST", question.path, body, question.headers)
    if status != 200:
        raise SystemExit(f"{title} answers {status}: {answer[:300]!r}")
    document = json.loads(answer)
    numbers: Array = np.ravel(document["predictions"] if "predictions" in document else document["outputs"][0]["data"])
    return numbers
