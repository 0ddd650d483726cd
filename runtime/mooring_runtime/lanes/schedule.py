"""How urgent a request is, and how long its client waits for it.

`priority` and `timeout` are request parameters of Triton's schedule policy extension; the headers are ours and Envoy's,
which tells by it when it gives up itself.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from mooring_runtime.errors import DeadlineExceeded, InvalidInput

PARAMETERS = frozenset({"priority", "timeout"})
"""Parameters that say when a request runs, and nothing of what it computes."""

HEADERS = ("x-request-timeout-ms", "x-envoy-expected-rq-timeout-ms")
"""Milliseconds that the client, or the proxy in front, waits."""


_MAX_DIGITS = 15
"""Thirty thousand years; no number is too large for a clock, or for Python to read, that is not longer."""


def priority_of(parameters: Mapping[str, Any]) -> int:
    """1 is the most urgent, 0 the default.

    Raises:
        InvalidInput: it is no whole number of at least 0.
    """
    return _whole(parameters, "priority")


def timeout_s(parameters: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Seconds that the request may take, the smallest of what is said; None when nothing is. 0 says nothing.

    Raises:
        InvalidInput: parameter `timeout` (microseconds) is no whole number of at least 0, or a header no number.
    """
    if "timeout" not in parameters and headers.keys().isdisjoint(HEADERS):
        return None
    limits = [_whole(parameters, "timeout") / 1e6]
    for name in HEADERS:
        text = headers.get(name, "0")
        if not text.isdecimal() or len(text) > _MAX_DIGITS:
            raise InvalidInput(f"header {name} is '{text[:20]}': it must be milliseconds, at most {_MAX_DIGITS} digits")
        limits.append(int(text) / 1e3)
    return min((limit for limit in limits if limit > 0), default=None)


def _whole(parameters: Mapping[str, Any], name: str) -> int:
    value = parameters.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidInput(f"parameter {name} is {value!r}: it must be a whole number of at least 0")
    return value


def deadline(model: str, *limits_s: float | None) -> AbstractAsyncContextManager[None]:
    """Cancel the block, which takes a waiting request out of its queue, when the smallest limit has passed.

    Raises:
        DeadlineExceeded: it has.
    """
    limit_s = min((limit for limit in limits_s if limit is not None), default=None)
    return nullcontext() if limit_s is None else _limited(model, limit_s)


@asynccontextmanager
async def _limited(model: str, limit_s: float) -> AsyncIterator[None]:
    timer = asyncio.timeout(limit_s)
    try:
        async with timer:
            yield
    except TimeoutError as exc:
        if not timer.expired():  # the model's own
            raise
        raise DeadlineExceeded(model, limit_s) from exc
