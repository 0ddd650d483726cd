"""`mooring-runtime`: serve the models of a folder, ours or MLServer's, or run a program that serves its own."""

import os
import sys

from mooring_runtime.backends.loading import import_torch
from mooring_runtime.errors import StartupError
from mooring_runtime.flags import parse
from mooring_runtime.lanes.cpu_limit import cpu_share
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.logging import configure_logging, logger
from mooring_runtime.metrics import Metrics
from mooring_runtime.registry.folder_source import FolderSource, Layout, describe
from mooring_runtime.server import Models, leave, run
from mooring_runtime.settings import Settings


def folder_models(settings: Settings, threads: Threads, metrics: Metrics) -> Models:
    """The models of `settings.model_dir`."""
    layout = Layout.of(settings.model_dir, settings.model_name, settings.multi_model)
    found = layout.names()
    logger.info("Models in %s: %s", settings.model_dir, describe(found))
    source = FolderSource(
        layout,
        settings.device,
        settings.profile,
        cpu_share(settings.workers),
        settings.max_waiting,
        settings.max_queue_delay_ms,
        threads,
        metrics,
        concurrency=settings.concurrency,
    )
    strict = not settings.multi_model if settings.strict_readiness is None else settings.strict_readiness
    return Models(source, found, must_load=layout.single is not None, strict=strict)


def main() -> None:
    """`run` hands over to a program; everything else serves until told to stop, then leaves."""
    if sys.argv[1:2] == ["run"]:
        from mooring_runtime.sdk.launch import run_program

        run_program(sys.argv[2:])
        return
    if sys.argv[1:2] == ["mlserver"]:
        from mooring_runtime.mlserver.start import start

        start(sys.argv[2:], os.environ)
        return
    serve_folder()


def serve_folder() -> None:
    """Serve the models of a folder until told to stop, then leave."""
    try:
        settings, unknown = parse(sys.argv[1:], ("serve",), os.environ)
        if settings.configure_logging:
            configure_logging(settings.log_config_file)
    except StartupError as exc:
        sys.exit(f"mooring-runtime: error: {exc}")
    if unknown:
        logger.warning("Flags that the runtime does not have are ignored: %s", " ".join(unknown))

    def models(threads: Threads, metrics: Metrics) -> Models:
        return folder_models(settings, threads, metrics)

    def warm() -> None:
        """torch, and the device: a server that must have a GPU and has none says so at once."""
        import_torch(cpu_share(settings.workers)).choose_device(settings.device)

    leave(run(settings, models, warm))
