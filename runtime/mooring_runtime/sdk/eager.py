"""Coroutines that run where they are begun, and become tasks only where they wait.

Most handlers of users are plain functions: a task for each request would cost more than they do. Async code may ask for
its task at any time (`asyncio.timeout` does), so it never begins outside one: `awaited` stops before it, and whoever
sent the coroutine its first None gives it to `loop.create_task` then, which goes on from there.
"""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

from mooring_runtime.errors import InferenceError

T = TypeVar("T")


async def awaited(result: Any) -> Any:
    """What a handler answered, whether it was sync or async."""
    if not hasattr(type(result), "__await__"):
        return result
    if not _in_task():
        await _until_task()
    return await result


async def in_task(call: Callable[[], Awaitable[T]]) -> T:
    """Await `call()`, which is called inside a task only."""
    if not _in_task():
        await _until_task()
    return await call()


async def unless_it_exits(call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Await `call()`; code that would end the interpreter has failed, and nothing else ends.

    Raises:
        InferenceError: it raised SystemExit or KeyboardInterrupt.
    """
    try:
        return await call()
    except (SystemExit, KeyboardInterrupt) as exc:
        raise InferenceError(f"{type(exc).__name__} : {exc}") from exc


def _in_task() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:  # no loop runs in this thread
        return False


@types.coroutine
def _until_task() -> Generator[None, None, None]:
    yield
