"""An access log in a format of the user's (`--access_log_format`), one line a request on standard output.

The atoms are those that KServe's flag knows (of gunicorn and of uvicorn), as `%(NAME)s`; `%({header}i)s` is a request's
header, `%({header}o)s` a response's, `%({VARIABLE}e)s` a variable of the environment.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mooring_runtime.errors import StartupError

_ATOM = re.compile(r"%\(([^)]+)\)s")
_NAMED = re.compile(r"\{([^}]+)\}([ioe])")


@dataclass
class Exchange:
    """One request and what was answered to it."""

    scope: Scope
    began: datetime
    seconds: float = 0.0
    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body_bytes: int = 0

    @property
    def client(self) -> str:
        """HOST:PORT of the client."""
        host, port = self.scope.get("client") or ("-", "-")
        return f"{host}:{port}"

    @property
    def path(self) -> str:
        """The path, quoted as it came, without the query."""
        raw: bytes = self.scope.get("raw_path") or self.scope["path"].encode()
        return raw.decode("latin-1")

    @property
    def query(self) -> str:
        """The query with its question mark, or nothing."""
        text: str = self.scope.get("query_string", b"").decode("latin-1")
        return f"?{text}" if text else ""

    @property
    def protocol(self) -> str:
        """HTTP and its version."""
        return f"HTTP/{self.scope['http_version']}"

    @property
    def request_line(self) -> str:
        """Method, path with query, protocol."""
        return f"{self.scope['method']} {self.path}{self.query} {self.protocol}"

    def named(self, name: str, kind: str) -> str:
        """A header of the request (i) or of the response (o), or a variable of the environment (e)."""
        if kind == "e":
            return os.environ.get(name, "-")
        headers: list[tuple[bytes, bytes]] = self.scope["headers"] if kind == "i" else self.headers
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in headers if key.lower() == wanted), "-")


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


ATOMS: Mapping[str, Callable[[Exchange], object]] = {
    "h": lambda e: e.client.rpartition(":")[0],
    "client_addr": lambda e: e.client,
    "l": lambda e: "-",
    "u": lambda e: "-",
    "t": lambda e: e.began.strftime("[%d/%b/%Y:%H:%M:%S %z]"),
    "r": lambda e: e.request_line,
    "request_line": lambda e: e.request_line,
    "R": lambda e: f"{e.scope['method']} {e.path} {e.protocol}",
    "m": lambda e: e.scope["method"],
    "U": lambda e: e.path,
    "q": lambda e: e.query[1:],
    "H": lambda e: e.protocol,
    "s": lambda e: e.status,
    "status_code": lambda e: _phrase(e.status),
    "st": lambda e: _phrase(e.status).partition(" ")[2],
    "B": lambda e: e.body_bytes,
    "b": lambda e: e.body_bytes or "-",
    "f": lambda e: e.named("referer", "i"),
    "a": lambda e: e.named("user-agent", "i"),
    "T": lambda e: int(e.seconds),
    "M": lambda e: int(e.seconds * 1e3),
    "D": lambda e: int(e.seconds * 1e6),
    "L": lambda e: f"{e.seconds:.6f}",
    "p": lambda e: f"<{os.getpid()}>",
}


def check_format(text: str) -> None:
    """Check a format before it serves.

    Raises:
        StartupError: it holds an atom that there is none of; the text names it.
    """
    for atom in _ATOM.findall(text):
        if atom not in ATOMS and not _NAMED.fullmatch(atom):
            known = ", ".join(ATOMS)
            raise StartupError(
                f"--access_log_format: there is no %({atom})s. There are {known}, and {{NAME}}i, {{NAME}}o, {{NAME}}e."
            )


def write_line(text: str, exchange: Exchange) -> str:
    """The line about one exchange."""

    def value(match: re.Match[str]) -> str:
        if named := _NAMED.fullmatch(match[1]):
            return exchange.named(named[1], named[2])
        return str(ATOMS[match[1]](exchange))

    return _ATOM.sub(value, text)


def with_access_log(app: ASGIApp, text: str | None) -> ASGIApp:
    """`app`, which writes a line when a response has been sent or has broken off; `app` itself without a format.

    Raises:
        StartupError: the format is wrong.
    """
    if text is None:
        return app
    check_format(text)
    logger = logging.getLogger("access")
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler(sys.stdout))
        logger.setLevel(logging.INFO)
        logger.propagate = False

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        exchange, started = Exchange(scope, datetime.now(UTC)), perf_counter()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status, exchange.headers = message["status"], list(message.get("headers", ()))
            elif message["type"] == "http.response.body":
                exchange.body_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receive, noted)
        finally:
            exchange.seconds = perf_counter() - started
            logger.info("%s", write_line(text, exchange))

    return logged
