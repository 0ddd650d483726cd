"""gRPC: a TCP port on localhost for each service that speaks it, since a gRPC call has no path to route by."""

import asyncio
import contextlib

from mooring_api import names
from mooring_operator.local.loopback import HOST, Leases
from mooring_operator.local.objects import Change, Id, Objects
from mooring_operator.local.proxy import Proxy
from mooring_operator.local.routes import is_grpc_port

CHUNK_BYTES = 64 * 1024


class GrpcForwards:
    """Follows the Services; a connection goes to a ready pod, bytes pass unread."""

    def __init__(self, objects: Objects, proxy: Proxy, leases: Leases, tasks: asyncio.TaskGroup) -> None:
        self._proxy = proxy
        self._leases = leases
        self._tasks = tasks
        self._ports: dict[Id, int] = {}
        self._servers: dict[Id, asyncio.Task[None]] = {}
        objects.subscribe(self._on_change)

    def addresses(self) -> dict[str, str]:
        """`NAMESPACE/INFERENCESERVICE` -> `127.0.0.1:PORT`."""
        suffix = names.predictor_name("")
        return {
            f"{key.namespace}/{key.name.removesuffix(suffix)}": f"{HOST}:{port}" for key, port in self._ports.items()
        }

    def close(self) -> None:
        """Take no more connections and end those that there are."""
        for server in self._servers.values():
            server.cancel()

    def _on_change(self, change: Change) -> None:
        key = change.id
        if key.kind != "Service" or not key.name.endswith(names.predictor_name("")):
            return
        wanted = not change.gone and any(is_grpc_port(port) for port in change.body["spec"].get("ports") or ())
        if wanted and key not in self._ports:
            self._ports[key] = self._leases.lease()
            self._servers[key] = self._tasks.create_task(self._serve(key, self._ports[key]))
        elif not wanted and key in self._ports:
            self._leases.release(self._ports.pop(key))
            self._servers.pop(key).cancel()

    async def _serve(self, service: Id, port: int) -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError), contextlib.closing(writer):
                await self._join(service, reader, writer)

        server = await asyncio.start_server(connected, HOST, port)
        async with server:
            await server.serve_forever()

    async def _join(self, service: Id, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self._proxy.ports_for(service, grpc=True):
            try:
                there, back = await asyncio.open_connection(HOST, port)
            except OSError:
                continue  # this pod went a moment ago
            with contextlib.closing(back):
                pumps = [asyncio.ensure_future(_pump(reader, back)), asyncio.ensure_future(_pump(there, writer))]
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
            return


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
