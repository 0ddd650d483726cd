"""`ModelStreamInfer`: the requests of a stream are answered side by side, and written in their order.

Triton wraps every answer in a message that may carry an error instead; MLServer sends it bare and ends the stream at
the first error (spec: runtime.md, fact 10). No bytes can be read as both: field 2 would be a message here and a text
there. So a server has one shape, and a call may name the other in its metadata.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from mooring_runtime.errors import InvalidInput, ServerNotReady
from mooring_runtime.grpc_api.errors import status_of
from mooring_runtime.grpc_api.messages import ModelStreamInferResponse
from mooring_runtime.servable import Headers

SHAPE_KEY = "mooring-stream-shape"
"""The metadata of a call that wants another shape than the server's."""

AHEAD = 64
"""Requests of one stream that are under way at once; the client's flow control holds back the others."""
PIECES = 4
"""Answers that wait for their turn, for each request; a model that makes more of them waits."""

Outcome = Any | Exception
"""A ModelInferResponse, or why there is none."""
Answer = Callable[[Any], AsyncGenerator[Any, None]]


@dataclass(frozen=True)
class _Turn:
    request: Any
    outcomes: asyncio.Queue[Outcome | None] = field(default_factory=lambda: asyncio.Queue(PIECES))
    """None comes last."""


def _wrapped(request: Any, outcome: Outcome) -> Any:
    if isinstance(outcome, Exception):
        return ModelStreamInferResponse(error_message=status_of(outcome)[1], infer_response={"id": request.id})
    return ModelStreamInferResponse(infer_response=outcome)


def _bare(request: Any, outcome: Outcome) -> Any:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


Shape = Callable[[Any, Outcome], Any]
SHAPES: dict[str, Shape] = {"triton": _wrapped, "mlserver": _bare}


def shape_of(headers: Headers, default: str) -> Shape:
    """How answers of this call are written.

    Raises:
        InvalidInput: its metadata name no shape that there is.
    """
    name = headers.get(SHAPE_KEY, default)
    if name not in SHAPES:
        raise InvalidInput(f"metadata {SHAPE_KEY} is '{name}': it must be one of {', '.join(SHAPES)}")
    return SHAPES[name]


async def answer_in_order(
    requests: AsyncIterator[Any],
    answer: Answer,
    shape: Shape,
    write: Callable[[Any], Awaitable[None]],
    draining: asyncio.Event,
) -> None:
    """Answer every request, and write the answers in the order of the requests.

    Args:
        requests: As they come.
        answer: Gives the pieces of one request's answer.
        shape: Makes messages of pieces, and of errors; what it raises ends the stream.
        write: Takes a message when the client is ready for it.
        draining: Once set, what was read is answered, nothing more is read, and the stream ends.

    Raises:
        ExceptionGroup: of the one error that `shape` or `write` raised, or of ServerNotReady.
    """
    turns: asyncio.Queue[_Turn | ServerNotReady | None] = asyncio.Queue(AHEAD)
    async with asyncio.TaskGroup() as tasks:

        async def read() -> None:
            async for request in requests:
                turn = _Turn(request)
                await turns.put(turn)
                tasks.create_task(_fill(turn, answer))
            await turns.put(None)

        async def leave(reader: asyncio.Task[None]) -> None:
            await draining.wait()
            reader.cancel()
            await turns.put(ServerNotReady("It is shutting down."))

        leaver = tasks.create_task(leave(tasks.create_task(read())))
        while (turn := await turns.get()) is not None:
            if isinstance(turn, ServerNotReady):
                raise turn
            while (outcome := await turn.outcomes.get()) is not None:
                await write(shape(turn.request, outcome))
        leaver.cancel()


async def _fill(turn: _Turn, answer: Answer) -> None:
    try:
        async with aclosing(answer(turn.request)) as pieces:
            async for piece in pieces:
                await turn.outcomes.put(piece)
    except Exception as exc:  # told in its turn
        await turn.outcomes.put(exc)
    await turn.outcomes.put(None)
