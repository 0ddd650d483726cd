"""A user's model behind a thread of its own, with an event loop of its own.

Sync handlers block that loop and nothing else; async handlers overlap on it. Health, metadata and other models stay on
the server's loop, which user code never sees.
"""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from mooring_runtime.errors import InferenceError, QueueFull

T = TypeVar("T")

_END: Any = object()
"""What the next piece of a generator is when there is none."""


class ModelThread:
    """Runs coroutines of one model.

    Args:
        name: The model's name.
        max_waiting: Calls that may be begun or waiting; one more is refused.
        executor_threads: Threads of the loop's default executor, which the model's own code may use.
    """

    def __init__(self, name: str, max_waiting: int, executor_threads: int | None = None) -> None:
        self._name = name
        self._max_waiting = max_waiting
        self._calls = 0
        self._loop = _loop_like_here()
        if executor_threads is not None:
            self._loop.set_default_executor(ThreadPoolExecutor(executor_threads, f"model-{name}-worker"))
        # A daemon: a handler that hangs must not keep the process from ending.
        threading.Thread(target=self._loop.run_forever, name=f"model-{name}", daemon=True).start()

    async def run(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await `call()` on the model's loop; cancelling the wait cancels it there.

        Raises:
            QueueFull: too many calls already wait.
        """
        if self._calls >= self._max_waiting:
            raise QueueFull(self._name, self._max_waiting)
        abandoned = threading.Event()

        async def begin() -> T:
            # A busy loop begins what was cancelled in the meantime; the cancellation arrives one step too late.
            if abandoned.is_set():
                raise asyncio.CancelledError
            try:
                return await call()
            except (SystemExit, KeyboardInterrupt) as exc:  # would end the loop, and with it the model
                raise InferenceError(f"{type(exc).__name__} : {exc}") from exc

        self._calls += 1
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(begin(), self._loop))
        except asyncio.CancelledError:
            abandoned.set()
            raise
        finally:
            self._calls -= 1

    async def stream(self, pieces: AsyncIterator[T] | Iterator[T]) -> AsyncIterator[T]:
        """The pieces of a generator of the model, each made on the model's loop; left early, it is closed."""

        async def following() -> T:
            piece: T = await anext(pieces, _END) if isinstance(pieces, AsyncIterator) else next(pieces, _END)
            return piece

        async def ended() -> None:
            if inspect.isasyncgen(pieces):
                await pieces.aclose()
            elif inspect.isgenerator(pieces):
                pieces.close()

        try:
            while (piece := await self.run(following)) is not _END:
                yield piece
        finally:
            await self.run(ended)

    def close(self) -> None:
        """End the thread once it is idle."""
        self._loop.call_soon_threadsafe(self._loop.stop)


def _loop_like_here() -> asyncio.AbstractEventLoop:
    """A loop of the kind that runs the server, so that `--event_loop` holds for models; asyncio's where none runs.

    uvloop is woken from another thread more cheaply, and each call wakes both loops.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.new_event_loop()
    return type(running)()
