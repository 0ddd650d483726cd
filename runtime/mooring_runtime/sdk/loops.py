"""The event loops that models of users run on."""

import asyncio


def loop_like_here() -> asyncio.AbstractEventLoop:
    """A loop of the kind that runs the server, so that `--event_loop` holds for models; asyncio's where none runs.

    uvloop is woken from another thread more cheaply. Exceptions that nobody waits for go where the server's go.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.new_event_loop()
    loop = type(running)()
    loop.set_exception_handler(running.get_exception_handler())
    return loop
