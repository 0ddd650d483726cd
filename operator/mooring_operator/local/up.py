"""`mooring local up`: everything put together."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry

from mooring_operator.agents import AgentFollowers
from mooring_operator.core.observed import Key
from mooring_operator.local import bundled
from mooring_operator.local.blueprint import Site
from mooring_operator.local.cluster import LocalCluster
from mooring_operator.local.containers import Backoff
from mooring_operator.local.control import Control
from mooring_operator.local.deployments import Deployments
from mooring_operator.local.files import ManifestFiles
from mooring_operator.local.forwards import GrpcForwards
from mooring_operator.local.images import Images
from mooring_operator.local.loopback import HOST, Leases
from mooring_operator.local.meeting_point import socket_path
from mooring_operator.local.narrator import Narrator
from mooring_operator.local.objects import Change, Objects
from mooring_operator.local.pods import Machine
from mooring_operator.local.process import Guard
from mooring_operator.local.proxy import Proxy, proxy_session
from mooring_operator.local.traffic import Traffic
from mooring_operator.metrics import QueueMetrics
from mooring_operator.reconcile import Reconciler
from mooring_operator.resources import WATCHED
from mooring_operator.settings import Settings
from mooring_operator.store import Store
from mooring_operator.workqueue import Outcome, WorkQueue

STOP_GRACE_S = 10.0
"""Between SIGTERM and SIGKILL when `up` ends."""
_WATCHED_KINDS = frozenset(resource.kind for resource in WATCHED)


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    files: tuple[Path, ...]
    data_dir: Path
    work_dir: Path
    environ: Mapping[str, str]
    listener: socket.socket
    """The proxy's, already bound."""
    images: Images = field(default_factory=Images)
    settings: Settings = field(default_factory=Settings)
    backoff: Backoff = field(default_factory=Backoff)


class Local:
    """One machine's cluster. `run` returns when `stop` was called."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self._options = options
        self._say = say
        self._stopping = asyncio.Event()
        self._site = Site(options.data_dir, options.work_dir, options.environ, options.images, options.backoff)
        self._objects = Objects()
        self._cluster = LocalCluster(self._objects, self._site)
        self._store = Store()
        self._queue = WorkQueue(
            self._work,
            metrics=QueueMetrics(CollectorRegistry()),
            workers=options.settings.workers,
            resync_s=options.settings.resync_s,
        )
        self._agents = AgentFollowers(self._queue.ring)
        self._reconciler = Reconciler(
            store=self._store,
            cluster=self._cluster,
            agents=self._agents,
            settings=options.settings,
            rang_again=self._queue.rang_again,
        )
        self._objects.subscribe(self._feed_core)

    def stop(self) -> None:
        """End everything, in order."""
        self._stopping.set()

    async def _work(self, key: Key) -> Outcome:
        return await self._reconciler(key)

    def _feed_core(self, change: Change) -> None:
        """What a watch would show goes into the store and rings the bells."""
        if change.id.kind in _WATCHED_KINDS:
            keys = self._store.forget(change.body) if change.gone else self._store.put(change.body)
            for key in keys:
                self._queue.ring(key)

    async def run(self) -> None:
        """Run until stopped; afterwards no process is left.

        The order of the end: nobody gets in any more (proxy, control API), nothing is reconciled any more, pods stop.
        """
        guard = Guard()
        try:
            async with aiohttp.ClientSession() as probing, proxy_session() as forwarding, asyncio.TaskGroup() as tasks:
                machine = Machine(self._site, self._objects, guard, probing, Leases(), Traffic())
                loops = [tasks.create_task(self._queue.run()), tasks.create_task(self._agents.run())]
                deployments = Deployments(machine, tasks)
                try:
                    async with self._open_doors(forwarding, machine, tasks):
                        loops.append(tasks.create_task(self._follow_files()))
                        await self._stopping.wait()
                    self._say("stopping ...")
                finally:
                    for task in loops:
                        task.cancel()
                    await deployments.close(STOP_GRACE_S)
        finally:
            guard.close()
            socket_path(self._site.data_dir).unlink(missing_ok=True)

    @contextlib.asynccontextmanager
    async def _open_doors(
        self, session: aiohttp.ClientSession, machine: Machine, tasks: asyncio.TaskGroup
    ) -> AsyncIterator[None]:
        """Serve the proxy, the gRPC ports and the control API."""
        proxy = Proxy(self._objects, session, machine.traffic)
        forwards = GrpcForwards(self._objects, proxy, machine.leases, tasks)
        control = Control(self._objects, self._cluster, self._site, forwards.addresses, self.stop)
        path = socket_path(self._site.data_dir)
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.bind(str(path))
            path.chmod(0o600)
            try:
                async with (
                    _serving(proxy.application(), self._options.listener),
                    _serving(control.application(), door),
                ):
                    address = f"http://{HOST}:{self._options.listener.getsockname()[1]}"
                    self._say(f"listening on {address}: by Host header, or as {address}/NAMESPACE/NAME/...")
                    yield
            finally:
                forwards.close()

    async def _follow_files(self) -> None:
        for runtime in bundled.runtimes():
            self._objects.apply(runtime)
        narrator = Narrator(self._objects, self._say)
        self._cluster.listeners.append(narrator.tell_event)
        files = ManifestFiles(self._options.files, self._options.environ)
        narrator.carry_out(files.look())
        async for edit in files.edits():
            narrator.carry_out(edit)


@contextlib.asynccontextmanager
async def _serving(app: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an application on a bound socket; at the end running requests get a second to finish."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
