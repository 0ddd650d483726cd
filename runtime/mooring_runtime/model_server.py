"""`ModelServer`: serve models made by user code. Arguments that are not given come from the command line."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from fastapi import FastAPI

from mooring_runtime.errors import StartupError
from mooring_runtime.flags import new_parser, parse
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.logging import configure_logging, logger
from mooring_runtime.metrics import Metrics
from mooring_runtime.model import Model
from mooring_runtime.model_repository import ModelRepository, repository_of
from mooring_runtime.predictor_config import PredictorConfig
from mooring_runtime.sdk.dataplane import DataPlane, ModelRepositoryExtension
from mooring_runtime.sdk.source import RegisteredModels
from mooring_runtime.server import Models, run
from mooring_runtime.workers.place import Place

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
"""Stands before the server's own routes: middleware and routes added before `start` act on all that is served.
One per process, since KServe's programs import it by name; `start` alone reads it.
"""

_OF_RAY = ("ray.serve.", "mooring_runtime.ray")
"""Modules of deployments, and of models that call them."""

ExceptionHandler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]

parser = new_parser()
"""Every flag of the server, for the user's own parser to have as a parent. Nothing is parsed until that is asked to."""


class ModelServer:
    """One server process for models of user code.

    Args:
        http_port: REST port; `--http_port` when None, like the others.
        grpc_port: gRPC port.
        enable_grpc: Whether to serve gRPC.
        enable_docs_url: Whether to show `/docs`.
        grace_period: Seconds to finish in after a signal.
        workers: `--workers`.
        max_threads: Threads of the gRPC server.
        max_asyncio_workers: Threads of the default executor of a model's loop.
        registered_models: Models by the name to serve them by, or a repository, whose `load` may make more on request;
            `register_model` and `start` add to it.
        enable_latency_logging: Whether each request logs what its handlers took.
        access_log_format: Format of an access log on standard output.
        event_loop: `auto`, `asyncio` or `uvloop`.
        timeout_keep_alive: Seconds that an idle connection stays open.
        predictor_config: The predictor that the models stand in front of.
        ssl_certfile: Certificate chain to serve REST by TLS with, with `ssl_keyfile`.
        ssl_keyfile: Its private key.
    """

    def __init__(
        self,
        http_port: int | None = None,
        grpc_port: int | None = None,
        enable_grpc: bool | None = None,
        enable_docs_url: bool | None = None,
        grace_period: int | None = None,
        *,
        workers: int | None = None,
        max_threads: int | None = None,
        max_asyncio_workers: int | None = None,
        registered_models: ModelRepository | Mapping[str, Model] | None = None,
        enable_latency_logging: bool | None = None,
        access_log_format: str | None = None,
        event_loop: str | None = None,
        timeout_keep_alive: int | None = None,
        predictor_config: PredictorConfig | None = None,
        ssl_certfile: str | None = None,
        ssl_keyfile: str | None = None,
    ) -> None:
        given: dict[str, Any] = {
            "http_port": http_port,
            "grpc_port": grpc_port,
            "enable_grpc": enable_grpc,
            "enable_docs_url": enable_docs_url,
            "grace_period_s": grace_period,
            "workers": workers,
            "max_threads": max_threads,
            "max_asyncio_workers": max_asyncio_workers,
            "enable_latency_logging": enable_latency_logging,
            "access_log_format": access_log_format,
            "event_loop": event_loop,
            "timeout_keep_alive_s": timeout_keep_alive,
            "predictor": predictor_config,
        }
        files = {"--ssl_certfile": ssl_certfile, "--ssl_keyfile": ssl_keyfile}
        more = [word for flag, path in files.items() if path for word in (flag, path)]
        settings, _ = parse([*sys.argv[1:], *more], environ=os.environ)  # other flags are the user's own
        self.settings = replace(settings, **{name: value for name, value in given.items() if value is not None})
        self.registered_models = repository_of({} if registered_models is None else registered_models)
        """The models, and whoever makes more of them."""
        self.dataplane = DataPlane(self.registered_models)
        """What the server answers, for routes and models of the program's own to ask."""
        self.model_repository_extension = ModelRepositoryExtension(self.registered_models, self.dataplane)
        """Loads and unloads, likewise."""
        self._exception_handler: ExceptionHandler = self.default_exception_handler
        self._serving = False

    def register_model(self, model: Model, name: str | None = None) -> None:
        """Serve `model` as well, by its own name or by `name`.

        Raises:
            StartupError: it has no name.
        """
        if not model.name:
            raise StartupError("Failed to register model, model.name must be provided.")
        model.enable_latency_logging = self.settings.enable_latency_logging
        if model.predictor_config is None:
            model.predictor_config = self.settings.predictor
        self.registered_models.update(model, name)

    def start(self, models: list[Model] | Mapping[str, Model]) -> None:
        """Serve until a signal comes; blocks. Models that are not `ready` yet are loaded once the server listens.

        Args:
            models: A list, or models by the name to serve them by. Among the latter may be deployments of Ray Serve.

        Raises:
            StartupError: what is given are no models.
            SystemExit: the server could not start; the log says why.
        """
        if self.settings.configure_logging:
            try:
                configure_logging(self.settings.log_config_file)
            except StartupError as exc:
                sys.exit(str(exc))
        with _deployed(_named(models), self.settings.workers) as named:
            for name, model in named:
                if not isinstance(model, Model):
                    raise StartupError(f"start takes models, got a {type(model).__name__}.")
                self.register_model(model, name)
            status = run(self.settings, self._sources, None, app, self._signalled)
            self._serving = False
        if status:
            sys.exit(status)

    def stop(self, sig: int = signal.SIGTERM) -> None:
        """End `start` as the signal `sig` does, from any thread. A signal calls it too, so that overrides hear of it.

        The server drains, models are stopped, and the program goes on behind `start`. Where none serves, does nothing.
        """
        if self._serving:
            place = Place.from_environ(os.environ)
            os.kill(os.getpid() if place is None else place.supervisor, sig)

    def _signalled(self, number: int) -> None:
        self._serving = False  # it is stopping already
        self.stop(number)

    def register_exception_handler(self, handler: ExceptionHandler) -> None:
        """Give exceptions that nobody waits for, on the server's event loop and on those of models, to `handler`.

        Args:
            handler: Takes the loop and asyncio's context: `message`, and mostly `exception`.
        """
        self._exception_handler = handler

    def default_exception_handler(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an exception that nobody waits for; what is done where no handler is registered."""
        logger.error("%s", context["message"], exc_info=context.get("exception"))

    def _sources(self, threads: Threads, metrics: Metrics) -> Models:
        asyncio.get_running_loop().set_exception_handler(self._exception_handler)
        self._serving = True  # the signals are the server's by now
        settings, models = self.settings, self.registered_models
        source = RegisteredModels(
            models,
            settings.max_waiting,
            metrics,
            settings.max_asyncio_workers,
            settings.concurrency or 1,
            threads.cores,
        )
        strict = not (models.makes_models or settings.multi_model)
        if settings.strict_readiness is not None:
            strict = settings.strict_readiness
        return Models(source, list(models.models), must_load=True, strict=strict, opened=self.dataplane.open)


@contextmanager
def _deployed(named: list[tuple[str | None, Any]], workers: int) -> Iterator[list[tuple[str | None, Any]]]:
    """The models by name; deployments of Ray Serve among them as models that call them. Ray runs for the block then."""
    kinds = {type(model).__module__ for _, model in named}
    if workers > 1 and any(kind.startswith(_OF_RAY) for kind in kinds):
        raise StartupError("Ray Serve's replicas are processes already: give a deployment num_replicas, not --workers.")
    if not any(_is_of_ray(model) for _, model in named):
        yield named
        return
    from mooring_runtime.sdk.ray_deployment import DeployedModel, cluster

    with cluster() as session:
        yield [(name, DeployedModel(name or "", each, session) if _is_of_ray(each) else each) for name, each in named]


def _is_of_ray(model: object) -> bool:
    """Whether it is a deployment of Ray Serve, bound or not; asked without importing Ray."""
    return type(model).__module__.startswith(_OF_RAY[0])


def _named(models: list[Model] | Mapping[str, Model]) -> list[tuple[str | None, Any]]:
    if isinstance(models, Mapping):
        return list(models.items())
    if not isinstance(models, list):
        raise StartupError("Unknown model collection type: give start a list of models, or a dict of them by name.")
    return [(None, model) for model in models]
