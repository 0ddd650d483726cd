"""Every flag of the server, with KServe's names and defaults, spelled with `_` or with `-`; parsed into `Settings`."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mooring_api import names
from mooring_runtime.errors import StartupError
from mooring_runtime.flag_values import boolean, milliseconds, port, positive
from mooring_runtime.predictor_config import PROTOCOLS, PredictorConfig
from mooring_runtime.rest_api.cloud_events import Attributes
from mooring_runtime.settings import EVENT_LOOPS, PROFILES, STREAM_SHAPES, Settings
from mooring_runtime.telemetry.tracing import trace_exporters
from mooring_runtime.tls import TlsFiles

TLS_PORT = 8443
"""Of REST by TLS, when nothing else is said."""

_DEFAULT = Settings()
_FORWARD = PredictorConfig()
_SWITCH: Mapping[str, Any] = {"type": boolean, "nargs": "?", "const": True}

_FLAGS: Mapping[str, Mapping[str, Any]] = {
    "host": {"default": _DEFAULT.host, "help": "address to listen on (%(default)s)"},
    "http_port": {"type": port, "default": _DEFAULT.http_port, "help": "REST port, 0 for any free one ($PORT, 8080)"},
    "grpc_port": {"type": port, "default": _DEFAULT.grpc_port, "help": "gRPC port, 0 for any free one (%(default)s)"},
    "enable_grpc": {**_SWITCH, "default": True, "help": "serve gRPC (true)"},
    "enable_docs_url": {**_SWITCH, "default": False, "help": "show the REST API at /docs (false)"},
    "event_loop": {"choices": EVENT_LOOPS, "default": _DEFAULT.event_loop, "help": "auto takes uvloop (%(default)s)"},
    "timeout_keep_alive": {
        "type": positive,
        "default": _DEFAULT.timeout_keep_alive_s,
        "help": "seconds that an idle connection stays open (%(default)s)",
    },
    "configure_logging": {**_SWITCH, "default": True, "help": "configure logging at all (true)"},
    "log_config_file": {"default": None, "help": "logging configuration: .json, .yaml, .yml, or Python's own format"},
    "enable_latency_logging": {
        **_SWITCH,
        "default": True,
        "help": "log what each handler of a model of user code took, for every request (true)",
    },
    "access_log_format": {
        "default": None,
        "help": "write an access log to stdout in this format, for example '%%(client_addr)s %%(status_code)s'",
    },
    "max_body_bytes": {
        "type": positive,
        "default": _DEFAULT.max_body_bytes,
        "help": "how long a REST request's body may be, decompressed (%(default)s)",
    },
    "grpc_max_send_message_length": {
        "type": positive,
        "default": _DEFAULT.grpc_max_send_message_length,
        "help": "bytes (%(default)s)",
    },
    "grpc_max_receive_message_length": {
        "type": positive,
        "default": _DEFAULT.grpc_max_receive_message_length,
        "help": "bytes (%(default)s)",
    },
    "grpc_stream_shape": {
        "choices": STREAM_SHAPES,
        "default": _DEFAULT.grpc_stream_shape,
        "help": "whose messages ModelStreamInfer answers (%(default)s)",
    },
    "max_threads": {
        "type": positive,
        "default": _DEFAULT.max_threads,
        "help": "threads of the gRPC server (%(default)s)",
    },
    "max_asyncio_workers": {
        "type": positive,
        "default": None,
        "help": "threads of the default executor of a model's event loop (min(32, CPU limit + 4))",
    },
    "model_name": {"default": _DEFAULT.model_name, "help": "name of a single model (%(default)s)"},
    "model_dir": {
        "type": Path,
        "default": _DEFAULT.model_dir,
        "help": "folder of a model, or of many (%(default)s)",
    },
    "multi_model": {
        **_SWITCH,
        "default": False,
        "help": "each subfolder is a model; models come and go ($MULTI_MODEL_SERVER, false)",
    },
    "strict_readiness": {
        **_SWITCH,
        "default": None,
        "help": "be ready only while every model is (true; false with --multi_model, whose models come and go)",
    },
    "device": {"default": _DEFAULT.device, "help": "auto, cpu, cuda or cuda:N (%(default)s)"},
    "profile": {
        "choices": PROFILES,
        "default": _DEFAULT.profile,
        "help": "fast: AlexNet in the CPU's int8 or bfloat16, images scaled quickly; answers differ (%(default)s)",
    },
    "workers": {
        "type": positive,
        "default": _DEFAULT.workers,
        "help": "processes that serve, each with a copy of every model (%(default)s)",
    },
    "concurrency": {
        "type": positive,
        "default": None,
        "help": "batches, or sync handlers, of one model that run at once (as the model has it, mostly 1)",
    },
    "worker_timeout": {
        "type": positive,
        "default": _DEFAULT.worker_timeout_s,
        "help": "seconds that a worker's event loop may stand still before the worker is replaced (%(default)s)",
    },
    "max_waiting": {
        "type": positive,
        "default": _DEFAULT.max_waiting,
        "help": "requests that may wait for a model (%(default)s)",
    },
    "max_queue_delay_ms": {
        "type": milliseconds,
        "default": _DEFAULT.max_queue_delay_ms,
        "help": "how long a batch that is not full waits for more rows (%(default)s)",
    },
    "client_timeout": {
        "type": positive,
        "default": _DEFAULT.client_timeout_s,
        "help": "seconds that a client may take to send a request, or pause within one (%(default)s)",
    },
    "lame_duck_seconds": {
        "type": float,
        "default": _DEFAULT.lame_duck_s,
        "help": "accept that long after SIGTERM (%(default)s)",
    },
    "grace_period": {
        "type": positive,
        "default": _DEFAULT.grace_period_s,
        "help": "seconds to finish in (%(default)s)",
    },
    "ssl_certfile": {"default": None, "help": "serve REST by TLS: certificate chain ($KSERVE_TLS_CERT_FILE)"},
    "ssl_keyfile": {"default": None, "help": "its private key ($KSERVE_TLS_KEY_FILE); the REST port is then 8443"},
    "predictor_host": {"default": None, "help": "HOST[:PORT] of a predictor that this transformer or explainer calls"},
    "predictor_protocol": {
        "choices": PROTOCOLS,
        "default": _FORWARD.predictor_protocol,
        "help": "what the predictor speaks (%(default)s)",
    },
    "predictor_use_ssl": {**_SWITCH, "default": False, "help": "call the predictor by TLS (false)"},
    "predictor_request_timeout_seconds": {
        "type": positive,
        "default": _FORWARD.predictor_request_timeout_seconds,
        "help": "for one call of the predictor (%(default)s)",
    },
    "predictor_request_retries": {
        "type": int,
        "default": _FORWARD.predictor_request_retries,
        "help": "further tries when the predictor cannot be reached (%(default)s)",
    },
    "enable_predictor_health_check": {
        **_SWITCH,
        "default": False,
        "help": "be ready only while the predictor is (false)",
    },
}

_OTHERS = (
    "Beside serve: `mooring-runtime run FILE` runs a program that serves its own models, `mooring-runtime mlserver "
    "start FOLDER` serves those of a folder as MLServer would; each has a --help."
)

_NAMES = {
    "lame_duck_seconds": "lame_duck_s",
    "grace_period": "grace_period_s",
    "timeout_keep_alive": "timeout_keep_alive_s",
    "client_timeout": "client_timeout_s",
    "worker_timeout": "worker_timeout_s",
}
"""Flags whose setting says its unit."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add them all; `--protocol` is an older name of `--predictor_protocol`."""
    for name, options in _FLAGS.items():
        spellings = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])
        older = ("--protocol",) if name == "predictor_protocol" else ()
        parser.add_argument(*spellings, *older, dest=name, **options)


def new_parser() -> argparse.ArgumentParser:
    """A parser for the user's own one to have as a parent; so it has no `--help`."""
    parser = argparse.ArgumentParser(add_help=False)
    add_flags(parser)
    return parser


def parse(
    argv: Sequence[str], commands: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> tuple[Settings, list[str]]:
    """Settings, and the flags that are not ours.

    Args:
        argv: Without the program's name.
        commands: Words that may stand in front; the first is what is done without one.
        environ: Where PORT may name the port to listen on. It means the REST port, unless it is the gRPC port
            already: then the platform names the one port that it forwards. KSERVE_TLS_CERT_FILE,
            KSERVE_TLS_KEY_FILE and MULTI_MODEL_SERVER=true stand for their flags. CE_MERGE, CE_TYPE and CE_SOURCE say
            what answers to CloudEvents tell of themselves, OTEL_* whether requests are traced, and where to.

    Raises:
        StartupError: PORT is no port, or a certificate comes without its key.
    """
    parser = argparse.ArgumentParser(prog="mooring-runtime", description=__doc__, epilog=_OTHERS if commands else None)
    if commands:
        parser.add_argument(
            "command", nargs="?", choices=commands, default=commands[0], help="what to do (%(default)s)"
        )
    add_flags(parser)
    environ = environ or {}
    parser.set_defaults(http_port=None, multi_model=environ.get(names.ENV_MULTI_MODEL, "").lower() == "true")
    args, unknown = parser.parse_known_args(argv)
    values = {_NAMES.get(name, name): value for name, value in vars(args).items() if name != "command"}
    values["events"] = Attributes.from_environ(environ)
    values["trace_exporters"] = trace_exporters(environ)
    values["tls"] = _tls(values.pop("ssl_certfile"), values.pop("ssl_keyfile"), environ)
    if values["http_port"] is None:
        values["http_port"] = _port_of(environ, values["grpc_port"], TLS_PORT if values["tls"] else _DEFAULT.http_port)
    forward = {name: values.pop(name) for name in tuple(values) if name.startswith("predictor_")}
    health_check = values.pop("enable_predictor_health_check")
    return Settings(**values, predictor=PredictorConfig(**forward, predictor_health_check=health_check)), unknown


def _tls(certificate: str | None, key: str | None, environ: Mapping[str, str]) -> TlsFiles | None:
    certificate = certificate or environ.get("KSERVE_TLS_CERT_FILE")
    key = key or environ.get("KSERVE_TLS_KEY_FILE")
    if certificate and key:
        return TlsFiles(Path(certificate), Path(key))
    if certificate or key:
        raise StartupError("TLS takes a certificate and its key: give both --ssl_certfile and --ssl_keyfile, or none.")
    return None


def _port_of(environ: Mapping[str, str], grpc_port: int, default: int) -> int:
    text = environ.get("PORT") or str(default)
    try:
        number = port(text)
    except argparse.ArgumentTypeError as exc:
        raise StartupError(f"The environment variable PORT is wrong: {exc}.") from None
    return number if number != grpc_port else default
