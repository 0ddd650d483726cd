"""The gRPC server: our service, reflection and the standard health service on one port."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.errors import StartupError
from mooring_runtime.grpc_api.health import Health
from mooring_runtime.grpc_api.messages import POOL, SERVICE
from mooring_runtime.grpc_api.servicer import service_handlers
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.settings import Settings


@asynccontextmanager
async def grpc_server(settings: Settings, dataplane: DataPlane, threads: Threads) -> AsyncIterator[int]:
    """Serve for the block, then finish what is in flight; yields the port.

    Raises:
        StartupError: the port is taken.
    """
    server = grpc.aio.server(
        migration_thread_pool=ThreadPoolExecutor(settings.max_threads, "grpc"),
        options=(
            ("grpc.max_send_message_length", settings.grpc_max_send_message_length),
            ("grpc.max_receive_message_length", settings.grpc_max_receive_message_length),
            # Only among our own workers: else a second server would share a taken port in silence.
            ("grpc.so_reuseport", int(settings.shares_ports)),
        ),
    )
    server.add_generic_rpc_handlers(service_handlers(dataplane, threads, settings.grpc_stream_shape))
    health_pb2_grpc.add_HealthServicer_to_server(Health(dataplane), server)
    names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server, pool=POOL)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        port = server.add_insecure_port(f"{host}:{settings.grpc_port}")
    except RuntimeError as exc:
        raise StartupError(f"Cannot listen on {host}:{settings.grpc_port}. Choose another --grpc_port.") from exc
    await server.start()
    try:
        yield port
    finally:
        await asyncio.shield(server.stop(settings.grace_period_s))
