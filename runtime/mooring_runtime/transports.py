"""REST and gRPC on their ports, over one data plane: started together, drained together."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.errors import StartupError
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.logging import logger
from mooring_runtime.rest_api.access_log import with_access_log
from mooring_runtime.rest_api.bodies import guarding_bodies
from mooring_runtime.rest_api.direct import Direct, answering_directly
from mooring_runtime.rest_api.drain import closing_while_draining
from mooring_runtime.rest_api.inference import Inference
from mooring_runtime.rest_api.patience import impatient
from mooring_runtime.settings import Settings
from mooring_runtime.tls import following


@dataclass(frozen=True)
class Address:
    """Where a running server listens."""

    host: str
    http_port: int
    grpc_port: int | None
    """None when gRPC is off."""


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals have one owner, and it is not uvicorn."""
        yield


def bind(host: str, port: int, shared: bool = False, flag: str = "--http_port") -> socket.socket:
    """A bound socket that does not block.

    Args:
        host: Its address.
        port: Its port; 0 for any free one.
        shared: Whether other sockets of ours have the same port.
        flag: What chooses the port.

    Raises:
        StartupError: the port is taken or not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
    try:
        sock.bind((host, port))
    except OSError as exc:
        sock.close()
        raise StartupError(f"Cannot listen on {host}:{port}: {exc.strerror}. Choose another {flag}.") from exc
    return sock


def listen(host: str, port: int, shared: bool = False, flag: str = "--http_port") -> socket.socket:
    """As `bind`, and listening."""
    sock = bind(host, port, shared, flag)
    try:
        sock.listen(2048)
    except OSError as exc:  # bound by another socket that shares its port
        sock.close()
        raise StartupError(f"Cannot listen on {host}:{port}: {exc.strerror}. Choose another {flag}.") from exc
    return sock


@asynccontextmanager
async def transports(
    settings: Settings,
    app: FastAPI,
    inference: Inference | None,
    dataplane: DataPlane,
    threads: Threads,
    tasks: asyncio.TaskGroup,
) -> AsyncIterator[Address]:
    """Both transports for the block; on the way out they stop accepting and finish what is in flight, together.

    Args:
        settings: How to run.
        app: The REST API.
        inference: Answers requests of models in `app`'s place where nothing of the user's stands before it.
        dataplane: Answers over gRPC; tells when the server drains.
        threads: Where large messages are parsed.
        tasks: Owns what runs for as long as the server does.
    """
    async with _rest_server(settings, app, inference, dataplane, tasks) as (http, http_port):
        if not settings.enable_grpc:
            yield Address(settings.host, http_port, None)
            return
        # Imported here: a server without gRPC does not need it.
        from mooring_runtime.grpc_api.server import grpc_server

        async with grpc_server(settings, dataplane, threads) as grpc_port:
            if not settings.shares_ports:
                logger.info("Listening on grpc://%s:%d", settings.host, grpc_port)
            try:
                yield Address(settings.host, http_port, grpc_port)
            finally:
                http.should_exit = True  # REST stops accepting while gRPC finishes


@asynccontextmanager
async def _rest_server(
    settings: Settings, app: FastAPI, inference: Inference | None, dataplane: DataPlane, tasks: asyncio.TaskGroup
) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    guarded = guarding_bodies(app, settings.max_body_bytes)
    protocol: type[HttpToolsProtocol] = HttpToolsProtocol
    if inference is not None and settings.access_log_format is None:
        protocol = answering_directly(protocol, Direct(inference, dataplane, settings.max_body_bytes))
    config = uvicorn.Config(
        with_access_log(closing_while_draining(guarded, dataplane), settings.access_log_format),
        http=impatient(protocol, settings.client_timeout_s),
        log_config=None,
        access_log=settings.access_log_format is None and logging.getLogger("uvicorn.access").hasHandlers(),
        lifespan="off",
        timeout_keep_alive=settings.timeout_keep_alive_s,
        timeout_graceful_shutdown=settings.grace_period_s,
    )
    if settings.tls is not None:
        settings.tls.apply(config)
    sock = listen(settings.host, settings.http_port, settings.shares_ports)
    http = _Uvicorn(config)
    serving = tasks.create_task(http.serve(sockets=[sock]))
    try:
        port = sock.getsockname()[1]
        if not settings.shares_ports:
            logger.info("Listening on %s://%s:%d", "http" if settings.tls is None else "https", settings.host, port)
        async with following(settings.tls, config, tasks):
            yield http, port
    finally:
        http.should_exit = True
        await serving
