"""One server process: listen at once, load behind, drain in order.

Up: listen -> import torch and load -> ready. Down, on SIGTERM, SIGINT or SIGQUIT: not ready -> (lame duck) -> stop
accepting -> finish what is in flight -> unload. This module owns the signals; uvicorn and gRPC install none.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

import uvloop
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.errors import StartupError
from mooring_runtime.lanes.cpu_limit import cpu_share
from mooring_runtime.lanes.openmp import let_helpers_go
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.logging import logger
from mooring_runtime.metrics import Metrics, UserMetrics
from mooring_runtime.registry.model_source import ModelSource
from mooring_runtime.registry.repository import Repository
from mooring_runtime.rest_api.app import create_app, in_front, is_bare
from mooring_runtime.rest_api.inference import Inference
from mooring_runtime.settings import Settings
from mooring_runtime.stop import Stop
from mooring_runtime.telemetry.loop_watch import LoopWatch
from mooring_runtime.telemetry.tracing import tracing_to
from mooring_runtime.transports import Address, transports
from mooring_runtime.workers.member import joined
from mooring_runtime.workers.metrics_files import worker_metrics
from mooring_runtime.workers.place import Place
from mooring_runtime.workers.supervisor import supervise_self

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_LOOPS = {"auto": uvloop.new_event_loop, "uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@dataclass(frozen=True)
class Models:
    """What a server serves."""

    source: ModelSource
    at_start: Sequence[str]
    """Names to load once the server listens."""
    must_load: bool
    """Whether a server none of whose models could be loaded ends."""
    strict: bool = True
    """Whether it is ready only while every model that it should have is."""
    opened: Callable[[DataPlane], None] = lambda dataplane: None
    """Told of the data plane before the server listens, on its loop."""


@dataclass(frozen=True)
class Running:
    """A server that listens."""

    dataplane: DataPlane
    address: Address


def new_metrics() -> Metrics:
    """Metrics on a registry of their own, with the process's."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(UserMetrics())
    return Metrics(registry)


@asynccontextmanager
async def running(
    settings: Settings,
    models: Callable[[Threads, Metrics], Models],
    warm: Callable[[], object] | None = None,
    front: FastAPI | None = None,
    place: Place | None = None,
    stop: Stop | None = None,
) -> AsyncIterator[Running]:
    """A server that listens for the block and drains after it.

    Args:
        settings: How to run.
        models: Makes what to serve, given the pools and metrics to serve it with.
        warm: Called in a loader thread right after listening (imports torch).
        front: An application of the user's, whose middleware and routes stand before ours.
        place: Which of several workers this server is.
        stop: What may tell it to stop, also while it is not up yet.
    """
    stop = stop or Stop()
    threads = Threads.for_cpus(cpu_share(settings.workers))
    metrics = new_metrics() if place is None else worker_metrics(place.metrics_folder, place.index)
    tracing = tracing_to(settings.trace_exporters)
    watch = LoopWatch(metrics.loop_lag_seconds.observe)
    try:
        async with asyncio.TaskGroup() as tasks:
            chosen = models(threads, metrics)
            dataplane = DataPlane(Repository(chosen.source, tasks, metrics), metrics, chosen.strict)
            dataplane.tracing = tracing
            chosen.opened(dataplane)
            async with joined(place, dataplane, chosen.at_start, stop.at_once) as at_start:
                dataplane.repository.expect(at_start, at_start)
                chosen = replace(chosen, at_start=list(at_start))
                inference = Inference(dataplane, threads, settings.events)
                app = create_app(dataplane, inference, threads, settings.enable_docs_url)
                direct = inference if front is None or is_bare(front) else None
                if front is not None:
                    app = in_front(front, app)

                def load() -> asyncio.Task[None]:
                    if warm is not None:
                        tasks.create_task(threads.load(warm))
                    return tasks.create_task(_start_models(dataplane, chosen))

                starting = await stop.unless(load()) if place is not None and place.late else None
                async with transports(settings, app, direct, dataplane, threads, tasks) as address:
                    starting = starting or load()
                    try:
                        yield Running(dataplane, address)
                    finally:
                        dataplane.draining.set()
                        starting.cancel()
                await dataplane.repository.close()
    finally:
        watch.stop()
        if tracing is not None:
            await threads.load(tracing.close)
        threads.shut_down()


async def _start_models(dataplane: DataPlane, models: Models) -> None:
    failures = await dataplane.load_at_start(list(models.at_start))
    if models.must_load and failures and len(failures) == len(models.at_start):
        raise StartupError(f"Nothing to serve. {failures[0]}")
    logger.info("Serving %d of %d models", len(dataplane.model_names()), len(models.at_start))


async def serve(
    settings: Settings,
    models: Callable[[Threads, Metrics], Models],
    warm: Callable[[], object] | None = None,
    front: FastAPI | None = None,
    place: Place | None = None,
    on_signal: Callable[[int], None] = lambda number: None,
) -> None:
    """Serve until a signal comes, then drain. A second signal skips the lame-duck time.

    Args:
        settings: As `running`.
        models: As `running`.
        warm: As `running`.
        front: As `running`.
        place: As `running`.
        on_signal: Told of the first signal.

    Raises:
        StartupError: it cannot serve at all.
    """
    loop = asyncio.get_running_loop()
    stop = Stop(on_signal)
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.signalled, number)
    failure: BaseException | None = None
    try:
        async with running(settings, models, warm, front, place, stop) as server:
            await stop.asked.wait()
            logger.info("Stopping: not ready any more")
            server.dataplane.draining.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.hurry.wait(), settings.lame_duck_s)
    except* StartupError as group:
        failure = group
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    if failure is not None:
        raise failure
    logger.info("Stopped")


def run(
    settings: Settings,
    models: Callable[[Threads, Metrics], Models],
    warm: Callable[[], object] | None,
    front: FastAPI | None = None,
    on_signal: Callable[[int], None] = lambda number: None,
) -> int:
    """Serve on an event loop of our own; answers the exit status. Call it from the main thread.

    Of a server of several workers the first process to come here starts this program anew for each, and serves nothing.
    """
    place = Place.from_environ(os.environ)
    try:
        if place is None and settings.workers > 1:
            supervise_self(settings)
            return 0
        if place is not None:
            settings = replace(settings, http_port=place.http_port, grpc_port=place.grpc_port, shares_ports=True)
        let_helpers_go()  # of a program that made its models before
        with asyncio.Runner(loop_factory=_LOOPS[settings.event_loop]) as runner:
            runner.run(serve(settings, models, warm, front, place, on_signal))
    except StartupError as exc:
        logger.error("%s", exc)
        if place is not None:
            place.fail(str(exc))
        return 1
    finally:
        if place is not None:
            place.leave()
    return 0


def leave(status: int) -> None:
    """End the process, though a thread may hang in a model: the interpreter would wait for it for ever."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
