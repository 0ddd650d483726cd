"""A user's model behind a thread of its own, with an event loop of its own.

Sync handlers block that loop and nothing else; async handlers overlap on it. Health, metadata and other models stay on
the server's loop, which user code never sees.

The two loops wake each other at most once for all that waits, not once for each call: a wake-up costs more than a small
model does.
"""

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context, copy_context
from dataclasses import dataclass
from time import thread_time
from typing import Any, Generic, TypeVar

from mooring_runtime.errors import InferenceError, QueueFull
from mooring_runtime.lanes.cpu_limit import cpu_count
from mooring_runtime.lanes.threads import WarmThreads, step_back
from mooring_runtime.lanes.waiting import Waiting
from mooring_runtime.sdk.eager import in_task, unless_it_exits
from mooring_runtime.sdk.loops import Turns, loop_like_here

T = TypeVar("T")

_END: Any = object()
"""What the next piece of a generator is when there is none."""


@dataclass(eq=False, slots=True)
class _Call(Generic[T]):
    """One call on its way to the model and back."""

    begin: Callable[[], Coroutine[Any, Any, T]]
    done: "asyncio.Future[T]"
    """Belongs to the server's loop."""
    context: Context
    priority: int
    task: "asyncio.Task[T] | None" = None
    """Belongs to the model's loop."""
    abandoned: bool = False
    batch_key: None = None
    rows: int = 1


class ModelThread:
    """Runs coroutines of one model.

    Args:
        name: The model's name.
        max_waiting: Calls that may be begun or waiting; one more is refused.
        executor_threads: Threads of the loop's default executor, which the model's own code may use; None is KServe's
            number, min(32, CPU limit + 4).
        concurrency: Calls whose sync handlers may run at once. More than one run in threads without a loop.
        busy: Entered by such a thread while a handler runs in it.
        clock: Seconds that the calling thread has computed; its waits for the interpreter's lock are not the model's.
    """

    def __init__(
        self,
        name: str,
        max_waiting: int,
        executor_threads: int | None = None,
        concurrency: int = 1,
        busy: Callable[[], AbstractContextManager[object]] = nullcontext,
        clock: Callable[[], float] = thread_time,
    ) -> None:
        self._name = name
        self._max_waiting = max_waiting
        self._calls = 0
        self._loop = loop_like_here()
        workers = executor_threads or min(32, cpu_count() + 4)
        self._loop.set_default_executor(ThreadPoolExecutor(workers, f"model-{name}-worker"))
        self._runners = WarmThreads(concurrency, f"model-{name}-run", step_back) if concurrency > 1 else None
        self._concurrency = concurrency
        self._busy = busy
        self._lock = threading.Lock()  # guards the next two: the server's loop puts, the model's threads take
        self._waiting: Waiting[_Call[Any]] = Waiting()
        self._running = 0
        self._ended: deque[tuple[_Call[Any], Any, BaseException | None]] = deque()
        self._told = False
        self._turns = Turns(clock)
        self._loop.call_soon(step_back)
        # A daemon: a handler that hangs must not keep the process from ending.
        threading.Thread(target=self._loop.run_forever, name=f"model-{name}", daemon=True).start()

    async def run(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await `call()` as a task on the model's loop; cancelling the wait cancels it there.

        Raises:
            QueueFull: too many calls already wait.
        """
        return await self.run_eagerly(lambda: in_task(call))

    async def run_eagerly(self, call: Callable[[], Coroutine[Any, Any, T]], priority: int = 0) -> T:
        """As `run`, for a coroutine that needs no task before it awaits something by `eager.awaited`.

        Args:
            call: Makes the coroutine.
            priority: Which waiting call begins first: 1 is the most urgent, 0 the default.
        """
        if self._calls >= self._max_waiting:
            raise QueueFull(self._name, self._max_waiting)
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        entry = _Call(call, done, copy_context(), priority)
        self._calls += 1
        with self._lock:
            self._waiting.put(entry)
            start = self._running < self._concurrency
            self._running += start
        if start:  # at the end of this turn of the loop, when all that it brings waits
            asyncio.get_running_loop().call_soon(self._start)
        try:
            return await done
        except asyncio.CancelledError:
            self._abandon(entry)
            raise
        finally:
            self._calls -= 1

    def _start(self) -> None:
        if self._runners is None:
            self._loop.call_soon_threadsafe(self._take_turns)
        else:
            self._runners.submit(self._take_all)

    def _abandon(self, entry: _Call[Any]) -> None:
        entry.abandoned = True
        with self._lock:
            self._waiting.discard(entry)
        if entry.task is not None:
            self._loop.call_soon_threadsafe(entry.task.cancel)

    def _take_turns(self) -> None:
        """On the model's loop: begin what waits now, then let the loop turn, for those that have begun.

        Calls that take long begin one a turn, since none of a turn's is answered before the last of them has computed.
        """
        for _ in range(self._turns.most(len(self._waiting))):
            if (entry := self._next()) is None:
                self._turns.stop()
                return
            self._begin(entry)
        self._loop.call_soon(self._take_turns)

    def _take_all(self) -> None:
        """In a thread of its own: begin calls until none waits."""
        while (entry := self._next()) is not None:
            with self._busy():
                self._begin(entry)

    def _next(self) -> _Call[Any] | None:
        """The most urgent call; None means that this runner has stopped."""
        with self._lock:
            if taken := self._waiting.take(1):
                return taken[0]
            self._running -= 1
            return None

    def _begin(self, entry: _Call[Any]) -> None:
        if entry.abandoned:
            return
        coroutine = unless_it_exits(entry.begin)
        try:
            entry.context.run(coroutine.send, None)
        except StopIteration as ended:
            self._end(entry, ended.value, None)
        except BaseException as exc:  # the edge of user code
            self._end(entry, None, exc)
        else:
            if self._runners is None:
                self._go_on(entry, coroutine)
            else:
                self._loop.call_soon_threadsafe(self._go_on, entry, coroutine)

    def _go_on(self, entry: _Call[Any], coroutine: Coroutine[Any, Any, Any]) -> None:
        """On the model's loop: the rest of a call, as a task."""

        def ended(task: "asyncio.Task[Any]") -> None:
            exc = asyncio.CancelledError() if task.cancelled() else task.exception()
            self._end(entry, None if exc else task.result(), exc)

        entry.task = self._loop.create_task(coroutine, context=entry.context)
        entry.task.add_done_callback(ended)
        if entry.abandoned:
            entry.task.cancel()

    def _end(self, entry: _Call[Any], value: Any, exc: BaseException | None) -> None:
        if isinstance(exc, asyncio.CancelledError):
            exc = InferenceError("CancelledError : the model cancelled its own work")
        self._ended.append((entry, value, exc))
        if not self._told:
            self._told = True
            try:
                entry.done.get_loop().call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the server has ended, and nobody waits any more
                self._ended.clear()

    def _deliver(self) -> None:
        """On the server's loop: hand out what has ended."""
        self._told = False  # first: what ends from here on is told anew
        while self._ended:
            entry, value, exc = self._ended.popleft()
            if entry.done.done():  # cancelled
                continue
            if exc is None:
                entry.done.set_result(value)
            else:
                entry.done.set_exception(exc)

    async def stream(self, pieces: AsyncIterator[T] | Iterator[T]) -> AsyncIterator[T]:
        """The pieces of a generator of the model, each made on the model's loop; left early, it is closed."""
        turn = asyncio.Lock()  # to close a generator while it runs, as its cleanup may, is an error

        async def following() -> T:
            async with turn:
                piece: T = await anext(pieces, _END) if isinstance(pieces, AsyncIterator) else next(pieces, _END)
                return piece

        async def ended() -> None:
            async with turn:
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
        """End the threads once they are idle."""
        if self._runners is not None:
            self._runners.shutdown(wait=False)
        self._loop.call_soon_threadsafe(self._loop.stop)
