"""`mooring-runtime mlserver start FOLDER`: serve the models of a folder as MLServer would."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from fastapi import FastAPI

from mooring_runtime import aliases
from mooring_runtime import settings as ours
from mooring_runtime.errors import StartupError
from mooring_runtime.folder_source import describe
from mooring_runtime.logging import configure_logging, default_config, logger
from mooring_runtime.metrics import Metrics
from mooring_runtime.mlserver.custom_routes import CustomRoutes
from mooring_runtime.mlserver.metrics import ModelsOwn, RequestCounters
from mooring_runtime.mlserver.settings import Settings, SettingsError
from mooring_runtime.mlserver.source import Host, SettingsFolder
from mooring_runtime.server import Models, leave, run
from mooring_runtime.threads import Threads

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
            access_log_format=ACCESS_LOG if self.settings.debug else None,
        )


def start(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Serve until told to stop, then leave."""
    try:
        chosen = Start.parse(argv, environ)
        if chosen.settings.load_models_at_startup and not chosen.folder.is_dir():
            raise StartupError(f"There is no folder {chosen.folder}. Correct FOLDER.")
        configure_logging(default_config("DEBUG") if chosen.settings.debug else None)
    except StartupError as exc:
        sys.exit(f"mooring-runtime: error: {exc}")
    aliases.install()
    server_settings = chosen.server_settings()
    front = FastAPI(openapi_url=None)

    def models(threads: Threads, metrics: Metrics) -> Models:
        metrics.registry.register(ModelsOwn())
        counters = RequestCounters(metrics.registry)
        host = Host(threads, counters, CustomRoutes(front), server_settings.max_waiting)
        source = SettingsFolder(chosen.folder, environ, host)
        found = list(source.files())
        logger.info("Models in %s: %s", chosen.folder, describe(found))
        at_start = found if chosen.settings.load_models_at_startup else []
        return Models(source, at_start, must_load=len(at_start) == 1)

    leave(run(server_settings, models, None, front))
