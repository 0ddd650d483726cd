"""`ModelStreamInfer`: the requests of a stream are answered side by side, and written in their order.

Triton wraps every answer in a message that may carry an error instead; MLServer sends it bare and ends the stream at
the first error (spec: runtime.md, fact 10). No bytes can be read as both: field 2 would be a message here and a text
there. So a server has one shape, and a call may name the other in its metadata.

Triton marks the last answer to a request by the parameter `triton_final_response`, and sends an empty one after the
others, where the request asks for it, when it learns too late which one was the last (a generator's).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from mooring_runtime.errors import InvalidInput, ServerNotReady
from mooring_runtime.grpc_api.errors import status_of
from mooring_runtime.grpc_api.messages import ModelStreamInferResponse
from mooring_runtime.registry.servable import Headers

SHAPE_KEY = "mooring-stream-shape"
"""The metadata of a call that wants another shape than the server's."""

AHEAD = 64
"""Requests of one stream that are under way at once; the client's flow control holds back the others."""
PIECES = 4
"""Answers that wait for their turn, for each request; a model that makes more of them waits."""

WANTS_EMPTY_FINAL = "triton_enable_empty_final_response"
_IS_FINAL = "triton_final_response"

Answer = Callable[[Any], AsyncGenerator[Any, None]]


@dataclass(frozen=True)
class Outcome:
    """One step of the answer to a request."""

    made: Any | Exception | None
    """A ModelInferResponse, why there is none, or None for an end that no response told of."""
    is_last: bool


@dataclass(frozen=True)
class _Turn:
    request: Any
    outcomes: asyncio.Queue[Outcome] = field(default_factory=lambda: asyncio.Queue(PIECES))


def _wrapped(request: Any, outcome: Outcome) -> Any:
    made, parameters = outcome.made, request.parameters
    if made is None and not (WANTS_EMPTY_FINAL in parameters and parameters[WANTS_EMPTY_FINAL].bool_param):
        return None
    if made is None or isinstance(made, Exception):
        error = "" if made is None else status_of(made)[1]
        head = {"id": request.id, "model_name": request.model_name, "model_version": request.model_version}
        message = ModelStreamInferResponse(error_message=error, infer_response=head)
    else:
        message = ModelStreamInferResponse(infer_response=made)
    message.infer_response.parameters[_IS_FINAL].bool_param = outcome.is_last
    return message


def _bare(request: Any, outcome: Outcome) -> Any:
    if isinstance(outcome.made, Exception):
        raise outcome.made
    return outcome.made


Shape = Callable[[Any, Outcome], Any]
"""Makes a message of a request and an outcome; None where there is nothing to write."""
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
            is_last = False
            while not is_last:
                outcome = await turn.outcomes.get()
                if (message := shape(turn.request, outcome)) is not None:
                    await write(message)
                is_last = outcome.is_last
        leaver.cancel()


async def _fill(turn: _Turn, answer: Answer) -> None:
    """Make the outcomes of a turn, each with one look ahead."""
    try:
        async with aclosing(answer(turn.request)) as pieces:
            following = asyncio.ensure_future(anext(pieces, None))
            try:
                while (piece := await following) is not None:
                    following = asyncio.ensure_future(anext(pieces, None))
                    await asyncio.sleep(0)  # enough for what is no stream to come to its end
                    is_last = _has_ended(following)
                    await turn.outcomes.put(Outcome(piece, is_last))
                    if is_last:
                        return
            finally:
                following.cancel()
                await asyncio.wait({following})  # closing a generator that runs is an error
        await turn.outcomes.put(Outcome(None, is_last=True))
    except Exception as exc:  # told in its turn
        await turn.outcomes.put(Outcome(exc, is_last=True))


def _has_ended(following: asyncio.Future[Any]) -> bool:
    """Whether there is no next piece, as far as is known."""
    return following.done() and not following.cancelled() and not following.exception() and following.result() is None
