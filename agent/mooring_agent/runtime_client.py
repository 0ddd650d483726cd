"""The model server's v2 API, as far as the agent needs it.

Source: Triton's `extension_model_repository.md`; KServe's Python servers have load, unload and ready but no index.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self

import aiohttp

from mooring_agent.errors import LoadFailed, RuntimeUnreachable, UnloadFailed
from mooring_api import v2

_NOT_OFFERED = {404, 405, 501}
_QUICK_S = 5.0


class Readiness(Enum):
    """What the server says of a model."""

    READY = auto()
    NOT_READY = auto()
    NOT_FOUND = auto()
    """No such model, or no such endpoint: servers answer both alike."""
    UNKNOWN = auto()
    """The server is too busy to say."""


class RuntimeClient:
    """Calls one model server; an async context manager."""

    def __init__(self, base_url: str, load_timeout_s: float) -> None:
        self._base_url = base_url.rstrip("/")
        self._load_timeout_s = load_timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # A server that restarts closes idle connections; not keeping them for long avoids most half-dead ones.
        connector = aiohttp.TCPConnector(limit=16, keepalive_timeout=3)
        self._session = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def load(self, name: str) -> None:
        """(Re)load `name` from its folder; idempotent.

        Raises:
            RuntimeUnreachable: nothing answers.
            LoadFailed: the server refused, or took longer than the load timeout.
        """
        try:
            async with self._call("POST", v2.load_path(name), self._load_timeout_s) as answer:
                if answer.status >= 300:
                    raise LoadFailed(f"model {name!r}: the server answered load with {await _told(answer)}")
        except TimeoutError as exc:
            limit = f"{self._load_timeout_s:g} s"
            raise LoadFailed(f"model {name!r}: load took longer than {limit}; raise --load-timeout") from exc

    async def unload(self, name: str) -> None:
        """Unload `name`; a server that does not know it is content.

        Raises:
            RuntimeUnreachable: nothing answers.
            UnloadFailed: the server refused.
        """
        try:
            async with self._call("POST", v2.unload_path(name), self._load_timeout_s) as answer:
                if answer.status >= 300 and answer.status != 404:
                    raise UnloadFailed(f"model {name!r}: the server answered unload with {await _told(answer)}")
        except TimeoutError as exc:
            raise UnloadFailed(f"model {name!r}: unload took longer than {self._load_timeout_s:g} s") from exc

    async def readiness(self, name: str) -> Readiness:
        """What the server says of `name`.

        Raises:
            RuntimeUnreachable: nothing answers.
        """
        try:
            async with self._call("GET", v2.ready_path(name), _QUICK_S) as answer:
                if answer.status == 200:
                    return Readiness.READY if await _says_ready(answer) else Readiness.NOT_READY
                return Readiness.NOT_FOUND if answer.status in _NOT_OFFERED else Readiness.NOT_READY
        except TimeoutError:
            return Readiness.UNKNOWN

    async def index(self) -> dict[str, str] | None:
        """Every model's state by name; None when the server offers no index (or is too busy).

        Raises:
            RuntimeUnreachable: nothing answers.
        """
        try:
            async with self._call("POST", v2.REPOSITORY_INDEX, _QUICK_S) as answer:
                if answer.status != 200:
                    return None
                entries = await answer.json(content_type=None)
                return {str(entry["name"]): str(entry.get("state", "")) for entry in entries}
        except (TimeoutError, ValueError, TypeError, KeyError):
            return None

    async def is_live(self) -> bool:
        """Whether the server says that it is ready to serve (servers without a health endpoint count as ready).

        Raises:
            RuntimeUnreachable: nothing answers.
        """
        try:
            async with self._call("GET", v2.HEALTH_READY, _QUICK_S) as answer:
                return answer.status < 500
        except TimeoutError:
            return False

    @asynccontextmanager
    async def _call(self, method: str, path: str, timeout_s: float) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("RuntimeClient is used outside its context")
        body: dict[str, Any] = {"json": {}} if method == "POST" else {}
        try:
            async with asyncio.timeout(timeout_s):
                async with self._session.request(method, self._base_url + path, timeout=None, **body) as answer:
                    yield answer
        except aiohttp.ClientError as exc:
            raise RuntimeUnreachable(
                f"the model server does not answer at {self._base_url} ({exc}); waiting for it "
                "(is --component-port its HTTP port?)"
            ) from exc


async def _says_ready(answer: aiohttp.ClientResponse) -> bool:
    """An empty 200 means ready (v2), and so does `{"ready": true}`; only an explicit false does not."""
    try:
        body = await answer.json(content_type=None)
    except ValueError:
        return True
    said = body.get("ready", True) if isinstance(body, dict) else True
    return said not in (False, "false", "False")


async def _told(answer: aiohttp.ClientResponse) -> str:
    """Status and the server's own words, short enough for a condition message."""
    text = (await answer.text(errors="replace")).strip()
    try:
        body = await answer.json(content_type=None)
        text = str(body["error"]) if isinstance(body, dict) and "error" in body else text
    except ValueError:
        pass
    return f"{answer.status}: {text[:500]}" if text else str(answer.status)
