import sys
from typing import Any

import grpc
import pytest

from mooring_runtime.errors import InvalidInput
from mooring_runtime.grpc_api.calls import unary_handler
from mooring_runtime.grpc_api.messages import ModelInferRequest


class Context:
    """Keeps what it aborted with, as grpcio's does: a cycle that only a full collection finds."""

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        self.told = code, details
        self.aborted = grpc.aio.AbortError()
        raise self.aborted


@pytest.mark.parametrize("wire", [ModelInferRequest(id="7").SerializeToString(), b"\xff" * 9], ids=["message", "none"])
async def test_a_call_that_is_refused_holds_nothing_of_its_request(wire: bytes) -> None:
    async def method(request: Any, context: Any) -> Any:
        raise InvalidInput("no")

    context, held = Context(), sys.getrefcount(wire)
    with pytest.raises(grpc.aio.AbortError) as caught:
        await unary_handler("ModelInfer", method).unary_unary(wire, context)
    assert context.told[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.__context__ is None  # which would have the frames, and with them the request
    assert sys.getrefcount(wire) == held
