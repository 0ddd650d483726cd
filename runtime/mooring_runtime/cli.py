"""`mooring-runtime`: serve the models of a folder; `mooring-runtime run FILE`: run a program written for KServe.

Flags are KServe's, spelled with `_` or `-`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mooring_runtime.backends.loading import import_torch
from mooring_runtime.cpu_limit import cpu_count
from mooring_runtime.errors import StartupError
from mooring_runtime.folder_source import FolderSource, Layout, describe
from mooring_runtime.logging import configure_logging, logger
from mooring_runtime.metrics import Metrics
from mooring_runtime.server import Models, leave, run
from mooring_runtime.settings import Settings
from mooring_runtime.threads import Threads

_TRUE = frozenset({"y", "yes", "t", "true", "on", "1"})
_FALSE = frozenset({"n", "no", "f", "false", "off", "0"})


def boolean(text: str) -> bool:
    """A flag's value as KServe's flags take it."""
    if text.lower() not in _TRUE | _FALSE:
        raise argparse.ArgumentTypeError(f"{text!r} is not a truth value: use true or false")
    return text.lower() in _TRUE


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _milliseconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds from 0 to 10000")
    return value


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Every flag of the server, with `_` and with `-`."""
    default = Settings()

    def flag(name: str, **kwargs: object) -> None:
        spellings = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])
        parser.add_argument(*spellings, dest=name, **kwargs)  # type: ignore[arg-type] # argparse's own keywords

    flag("host", default=default.host, help="address to listen on (%(default)s)")
    flag("http_port", type=_port, default=default.http_port, help="REST port, 0 for any free one (%(default)s)")
    flag("grpc_port", type=_port, default=default.grpc_port, help="gRPC port, 0 for any free one (%(default)s)")
    flag("enable_grpc", type=boolean, nargs="?", const=True, default=True, help="serve gRPC (true)")
    flag(
        "enable_docs_url", type=boolean, nargs="?", const=True, default=False, help="show the REST API at /docs (false)"
    )
    flag("timeout_keep_alive", type=_positive, default=default.timeout_keep_alive_s, help="idle seconds (%(default)s)")
    flag("configure_logging", type=boolean, nargs="?", const=True, default=True, help="log as we like it (true)")
    flag("log_config_file", default=default.log_config_file, help="logging of your own: json, yaml or ini file")
    flag("client_timeout", type=_positive, default=default.client_timeout_s, help="seconds to send in (%(default)s)")
    for direction in ("send", "receive"):
        name = f"grpc_max_{direction}_message_length"
        flag(name, type=_positive, default=getattr(default, name), help="bytes (%(default)s)")
    flag("model_name", default=default.model_name, help="name of a single model (%(default)s)")
    flag("model_dir", type=Path, default=default.model_dir, help="folder of a model, or of many (%(default)s)")
    flag("multi_model", type=boolean, nargs="?", const=True, default=False, help="each subfolder is a model (false)")
    flag("device", default=default.device, help="auto, cpu, cuda or cuda:N (%(default)s)")
    flag("workers", type=_positive, default=default.workers, help="batches of a model that run at once (%(default)s)")
    flag(
        "max_waiting",
        type=_positive,
        default=default.max_waiting,
        help="requests that may wait for a model (%(default)s)",
    )
    flag(
        "max_queue_delay_ms",
        type=_milliseconds,
        default=default.max_queue_delay_ms,
        help="how long a batch that is not full waits for more rows (%(default)s)",
    )
    flag(
        "lame_duck_seconds",
        type=float,
        default=default.lame_duck_s,
        help="accept that long after SIGTERM (%(default)s)",
    )
    flag("grace_period", type=_positive, default=default.grace_period_s, help="seconds to finish in (%(default)s)")


def parse(argv: Sequence[str], commands: Sequence[str] = ()) -> tuple[Settings, list[str]]:
    """Settings, and the flags that are not ours.

    Args:
        argv: Without the program's name.
        commands: Words that may stand in front; the first is what is done without one.
    """
    parser = argparse.ArgumentParser(prog="mooring-runtime", description=__doc__)
    if commands:
        parser.add_argument(
            "command", nargs="?", choices=commands, default=commands[0], help="what to do (%(default)s)"
        )
    add_flags(parser)
    args, unknown = parser.parse_known_args(argv)
    values = {name: value for name, value in vars(args).items() if name != "command"}
    values["lame_duck_s"] = values.pop("lame_duck_seconds")
    values["grace_period_s"] = values.pop("grace_period")
    values["client_timeout_s"] = values.pop("client_timeout")
    values["timeout_keep_alive_s"] = values.pop("timeout_keep_alive")
    return Settings(**values), unknown


def folder_models(settings: Settings, threads: Threads, metrics: Metrics) -> Models:
    """The models of `settings.model_dir`."""
    layout = Layout.of(settings.model_dir, settings.model_name, settings.multi_model)
    found = layout.names()
    logger.info("Models in %s: %s", settings.model_dir, describe(found))
    source = FolderSource(
        layout,
        settings.device,
        cpu_count(),
        settings.workers,
        settings.max_waiting,
        settings.max_queue_delay_ms,
        threads,
        metrics,
    )
    return Models(source, found, must_load=layout.single is not None)


def main() -> None:
    """Serve until told to stop, then leave; or run a user's program."""
    if sys.argv[1:2] == ["run"]:
        from mooring_runtime.compat import launcher  # serving a folder needs no import hooks

        launcher.run(sys.argv[2:])
        return
    settings, unknown = parse(sys.argv[1:], commands=("serve",))
    if settings.configure_logging:
        try:
            configure_logging(settings.log_config_file)
        except StartupError as exc:
            sys.exit(str(exc))
    if unknown:
        logger.warning("Flags that the runtime does not have are ignored: %s", " ".join(unknown))

    def models(threads: Threads, metrics: Metrics) -> Models:
        return folder_models(settings, threads, metrics)

    def warm() -> None:
        """torch, and the device: a server that must have a GPU and has none says so at once."""
        import_torch(cpu_count()).choose_device(settings.device)

    leave(run(settings, models, warm))
