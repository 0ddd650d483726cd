"""`ModelServer`: serve models made by user code. Arguments that are not given come from the command line."""

import argparse
import sys
from dataclasses import replace
from typing import Any

from fastapi import FastAPI

from mooring_runtime.cli import add_flags, parse
from mooring_runtime.errors import StartupError
from mooring_runtime.logging import configure_logging
from mooring_runtime.metrics import Metrics
from mooring_runtime.model import Model
from mooring_runtime.sdk_source import RegisteredModels
from mooring_runtime.server import Models, run
from mooring_runtime.threads import Threads

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
"""Stands before the server's own routes: middleware and routes added before `start` act on all that is served.
One per process, since KServe's programs import it by name; `start` alone reads it.
"""

parser = argparse.ArgumentParser(add_help=False)
"""The server's flags, for `ArgumentParser(parents=[parser])`. Importing it parses nothing; `ModelServer()` does."""
add_flags(parser)


class ModelServer:
    """One server process for models of user code.

    Args:
        http_port: REST port; `--http_port` when None.
        grpc_port: gRPC port; `--grpc_port` when None.
        enable_grpc: Whether to serve gRPC; `--enable_grpc` when None.
        enable_docs_url: Whether to show `/docs`; `--enable_docs_url` when None.
        grace_period: Seconds to finish in after a signal; `--grace_period` when None.
    """

    def __init__(
        self,
        http_port: int | None = None,
        grpc_port: int | None = None,
        enable_grpc: bool | None = None,
        enable_docs_url: bool | None = None,
        grace_period: int | None = None,
    ) -> None:
        given: dict[str, Any] = {
            "http_port": http_port,
            "grpc_port": grpc_port,
            "enable_grpc": enable_grpc,
            "enable_docs_url": enable_docs_url,
            "grace_period_s": grace_period,
        }
        settings, _ = parse(sys.argv[1:])  # other flags belong to the user's own parser
        self.settings = replace(settings, **{name: value for name, value in given.items() if value is not None})
        self._registered: dict[str, Model] = {}

    def register_model(self, model: Model) -> None:
        """Serve `model` as well.

        Raises:
            StartupError: it has no name.
        """
        if not model.name:
            raise StartupError("Failed to register model, model.name must be provided.")
        self._registered[model.name] = model

    def start(self, models: list[Model]) -> None:
        """Serve until a signal comes; blocks. Models that are not `ready` yet are loaded once the server listens.

        Raises:
            StartupError: what is given are no models.
            SystemExit: the server could not start; the log says why.
        """
        if not isinstance(models, list):
            raise StartupError("Unknown model collection type: give start a list of models.")
        for model in models:
            if not isinstance(model, Model):
                raise StartupError(f"start takes models, got a {type(model).__name__}.")
            self.register_model(model)
        if self.settings.configure_logging:
            try:
                configure_logging(self.settings.log_config_file)
            except StartupError as exc:
                sys.exit(str(exc))

        def sources(threads: Threads, metrics: Metrics) -> Models:
            source = RegisteredModels(self._registered.values(), self.settings.max_waiting, metrics)
            return Models(source, list(self._registered), must_load=True)

        if status := run(self.settings, sources, None, app):
            sys.exit(status)
