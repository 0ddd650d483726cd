"""The first process of a server of several workers: it holds the ports and serves nothing itself.

Up: hold ports -> start workers -> ready when every one is. Down: SIGTERM to all, who drain as a server that is alone
does. A worker that ends, or whose loop stands still, is replaced while the others serve; the server stays ready
meanwhile, since a replacement listens only when it has loaded what they have.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mooring_runtime.errors import StartupError
from mooring_runtime.lanes.cpu_limit import cpu_share
from mooring_runtime.logging import logger
from mooring_runtime.settings import Settings
from mooring_runtime.workers import metrics_files
from mooring_runtime.workers.messages import Whole
from mooring_runtime.workers.orders import Orders
from mooring_runtime.workers.place import Place
from mooring_runtime.workers.ports import Ports, held
from mooring_runtime.workers.worker import Worker

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

TICK_S = 0.25
"""Silence is counted in ticks of this loop: a machine that slept, or a paused container, is nobody's fault."""

PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before the first, second, ... replacement in a row of workers that did not last."""

LASTING_S = 10
"""How long a worker must have been ready for its end to be no sign of the next one's."""

TRIES = 3
"""Workers of one number that may fail to last, one after the other, while none serves; then the server ends."""

UNLOAD_S = 15
"""What workers get on top of their grace period, to stop their models in."""


def own_command() -> list[str]:
    """What starts this program anew, with the interpreter's own options."""
    return [sys.executable, *sys.orig_argv[1:]]


def worker_environ(environ: Mapping[str, str], workers: int) -> dict[str, str]:
    """`environ`, where libraries that count CPUs for their threads (OpenMP: torch, numpy) get a worker's share."""
    return {"OMP_NUM_THREADS": str(cpu_share(workers)), **environ}


async def supervise(settings: Settings, command: Sequence[str], environ: Mapping[str, str]) -> None:
    """Serve by workers until a signal comes, then have them drain.

    Raises:
        StartupError: the server cannot serve at all.
    """
    with held(settings) as ports, metrics_files.private_folder() as folder:
        scheme = "http" if settings.tls is None else "https"
        logger.info("Listening on %s://%s:%d with %d workers", scheme, settings.host, ports.http, settings.workers)
        if settings.enable_grpc:
            logger.info("Listening on grpc://%s:%d", settings.host, ports.grpc)
        supervisor = Supervisor(settings, command, worker_environ(environ, settings.workers), ports, folder)
        try:
            await supervisor.run()
        except* StartupError as group:
            raise StartupError(str(_first(group))) from None
    logger.info("Stopped")


def _first(failure: BaseException) -> BaseException:
    return _first(failure.exceptions[0]) if isinstance(failure, BaseExceptionGroup) else failure


class Supervisor:
    """Keeps the workers; `run` is its life."""

    def __init__(
        self, settings: Settings, command: Sequence[str], environ: Mapping[str, str], ports: Ports, folder: Path
    ) -> None:
        self._settings = settings
        self._command = command
        self._environ = environ
        self._ports = ports
        self._folder = folder
        self._workers: dict[int, Worker] = {}
        self._orders = Orders()
        self._opened = False
        """Whether every worker was ready once."""
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Until a signal comes and all workers have ended."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._signalled, number)
        try:
            async with asyncio.TaskGroup() as tasks:
                keepers = [tasks.create_task(self._keep(index, tasks)) for index in range(self._settings.workers)]
                watch = tasks.create_task(self._watch())
                await self._stop.wait()
                watch.cancel()
                await asyncio.wait(keepers, timeout=self._patience_s())
                self._signal_all(signal.SIGKILL)
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def _patience_s(self) -> float:
        return self._settings.lame_duck_s + self._settings.grace_period_s + UNLOAD_S

    def _signalled(self, number: int) -> None:
        """The first signal has the workers drain; a second one, passed on as well, has them skip the lame-duck time."""
        if not self._stop.is_set():
            logger.info("Stopping %d workers", len(self._workers))
        self._stop.set()
        self._signal_all(number)

    def _signal_all(self, number: int) -> None:
        for worker in self._workers.values():
            worker.signal(number)

    async def _keep(self, index: int, tasks: asyncio.TaskGroup) -> None:
        """Keep a worker of that number running."""
        failures = 0
        while not self._stop.is_set():
            worker = await self._start(index)
            try:
                how = await worker.ended(tasks, self._orders.answer, self._tell_all)
            except asyncio.CancelledError:
                await worker.kill()
                raise
            finally:
                self._forget(worker)
            if self._stop.is_set():
                return
            failures = 0 if worker.served_s >= LASTING_S else failures + 1
            self._check(worker, how, failures)
            logger.error("Worker %d (%d) %s: replacing it", index, worker.pid, how)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _pause_s(failures))

    async def _start(self, index: int) -> Worker:
        place = Place(index, -1, 0, self._ports.http, self._ports.grpc, self._opened, str(self._folder))
        worker = self._workers[index] = await Worker.spawn(self._command, self._environ, place)
        metrics_files.enter(self._folder, index, worker.pid)
        if self._stop.is_set():  # the signal came while it was being started
            worker.signal(signal.SIGTERM)
        self._tell_all()
        return worker

    def _forget(self, worker: Worker) -> None:
        del self._workers[worker.index]
        self._orders.gone(worker)
        metrics_files.forget(self._folder, worker.index, worker.pid)
        self._tell_all()

    def _check(self, worker: Worker, how: str, failures: int) -> None:
        """Whether it is worth to go on.

        Raises:
            StartupError: the server never was ready, or nobody serves and replacements keep failing.
        """
        reason = worker.reason or f"Worker {worker.index} {how} before it served; what it wrote itself says why."
        if not self._opened:
            raise StartupError(reason)
        if failures >= TRIES and not any(other.ready for other in self._workers.values()):
            raise StartupError(f"No worker serves, and {failures} replacements in a row failed. {reason}")

    def _tell_all(self) -> None:
        """Tell every worker how the server is as a whole."""
        ready = sum(worker.ready for worker in self._workers.values())
        if not self._opened and ready == self._settings.workers:
            self._opened = True
            logger.info("Ready with %d workers", ready)
        lacking = "" if self._opened else f"{ready} of {self._settings.workers} workers have loaded their models."
        for worker in self._workers.values():
            worker.tell(Whole(lacking))

    async def _watch(self) -> None:
        """End workers whose loop stands still: they would hold on to the connections that the kernel gives them."""
        limit = self._settings.worker_timeout_s / TICK_S
        while True:
            await asyncio.sleep(TICK_S)
            for worker in self._workers.values():
                if worker.silent_ticks is None:
                    continue
                worker.silent_ticks += 1
                if worker.silent_ticks > limit:
                    logger.error(
                        "Worker %d (%d): its loop has stood still for %d s: ending it",
                        worker.index,
                        worker.pid,
                        self._settings.worker_timeout_s,
                    )
                    worker.signal(signal.SIGKILL)


def _pause_s(failures: int) -> float:
    """Jittered, so that workers that die of one cause do not come back as one."""
    return PAUSES_S[min(failures, len(PAUSES_S) - 1)] * random.uniform(0.5, 1)  # noqa: S311 - no secret


def supervise_self(settings: Settings) -> None:
    """`supervise` this very program, on an event loop of its own."""
    asyncio.run(supervise(settings, own_command(), os.environ))
