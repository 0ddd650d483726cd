"""`mooring-runtime mlserver start FOLDER`: serve the models of a folder as MLServer would."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

from prometheus_client import start_http_server

from mooring_runtime import settings as ours
from mooring_runtime.errors import StartupError
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.logging import logger
from mooring_runtime.metrics import Metrics
from mooring_runtime.mlserver.custom_routes import CustomRoutes
from mooring_runtime.mlserver.front import front_of
from mooring_runtime.mlserver.host import Host
from mooring_runtime.mlserver.logging import configure
from mooring_runtime.mlserver.metrics import ModelsOwn, RequestCounters
from mooring_runtime.mlserver.settings import Settings, SettingsError
from mooring_runtime.mlserver.source import SettingsFolder
from mooring_runtime.registry.folder_source import describe
from mooring_runtime.sdk import aliases
from mooring_runtime.server import Models, leave, run
from mooring_runtime.telemetry.tracing import trace_exporters
from mooring_runtime.workers.place import Place

ACCESS_LOG = '%(client_addr)s "%(request_line)s" %(status_code)s'


@dataclass(frozen=True)
class Start:
    """What to serve, and how."""

    folder: Path
    settings: Settings

    @classmethod
    def parse(cls, argv: Sequence[str], environ: Mapping[str, str]) -> "Start":
        """Read the command line behind `mlserver`; `$VAR` and `${VAR}` in FOLDER are replaced, as no shell may have.

        Raises:
            StartupError: FOLDER names a variable that is not set, or a setting is wrong.
            SystemExit: the call is wrong.
        """
        parser = argparse.ArgumentParser(prog="mooring-runtime mlserver", description=__doc__)
        verbs = parser.add_subparsers(required=True, metavar="start")
        verbs.add_parser("start", help="serve").add_argument(
            "folder",
            metavar="FOLDER",
            help="each model-settings.json below it is a model; settings.json is the server's",
        )
        text = parser.parse_args(argv).folder
        try:
            folder = Path(Template(text).substitute(environ))
        except (KeyError, ValueError) as exc:
            raise StartupError(f"The folder {text} names a variable that is not set: {exc}. Set it.") from None
        try:
            return cls(folder, Settings.load(folder, environ))
        except SettingsError as exc:
            raise StartupError(str(exc)) from None

    def server_settings(self) -> ours.Settings:
        """The same for our server."""
        limit = self.settings.grpc_max_message_length
        limit = ours.EIGHT_MIB if limit is None else limit
        return ours.Settings(
            host=self.settings.host,
            http_port=self.settings.http_port,
            grpc_port=self.settings.grpc_port,
            grpc_max_send_message_length=limit,
            grpc_max_receive_message_length=limit,
            grpc_stream_shape="mlserver",
            workers=max(1, self.settings.parallel_workers),
            access_log_format=ACCESS_LOG if self.settings.debug else None,
        )


def start(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Serve until told to stop, then leave."""
    try:
        chosen = Start.parse(argv, environ)
        if chosen.settings.load_models_at_startup and not chosen.folder.is_dir():
            raise StartupError(f"There is no folder {chosen.folder}. Correct FOLDER.")
        configure(chosen.settings)
    except StartupError as exc:
        sys.exit(f"mooring-runtime: error: {exc}")
    aliases.install()
    sys.path[:0] = [str(chosen.folder.absolute()), str(Path.cwd())]  # as MLServer: code that models share lies there
    server_settings = replace(chosen.server_settings(), trace_exporters=trace_exporters(environ))
    front = front_of(chosen.settings)
    if chosen.settings.without_effect:
        logger.warning("These settings change nothing here: %s", "; ".join(chosen.settings.without_effect))

    def models(threads: Threads, metrics: Metrics) -> Models:
        metrics.registry.register(ModelsOwn())
        _tell_metrics(chosen.settings, metrics)
        counters = RequestCounters(metrics.registry)
        host = Host(threads, metrics, counters, CustomRoutes(front), server_settings.max_waiting)
        source = SettingsFolder(chosen.folder, environ, host)
        found = list(source.files())
        logger.info("Models in %s: %s", chosen.folder, describe(found))
        at_start = found if chosen.settings.load_models_at_startup else []
        # As the loads of a server that starts empty: somebody else watches each of its models.
        strict = chosen.settings.load_models_at_startup
        return Models(source, at_start, must_load=len(at_start) == 1, strict=strict)

    leave(run(server_settings, models, None, front))


def _tell_metrics(settings: Settings, metrics: Metrics) -> None:
    """Open the port of the metrics alone, if the settings name one; threads of its own answer there.

    Of several workers the first one does: any of them tells the metrics of all.

    Raises:
        StartupError: it is taken.
    """
    place = Place.from_environ(os.environ)
    if settings.metrics_port is None or settings.metrics_endpoint is None or (place is not None and place.index > 0):
        return
    try:
        server, _ = start_http_server(settings.metrics_port, settings.host, metrics.shown)
    except OSError as exc:
        where = f"{settings.host}:{settings.metrics_port}"
        raise StartupError(f"Cannot listen on {where}: {exc.strerror}. Choose another metrics_port.") from exc
    logger.info("Metrics on http://%s:%d%s", settings.host, server.server_port, settings.metrics_endpoint)
