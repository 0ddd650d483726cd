"""MLServer's settings that change nothing here, and why: who sets one is told."""

from collections.abc import Mapping
from typing import Any

_ONE_PROCESS = "models are not given to processes one by one: each is in every worker, on a thread of its own"
_OWN_ENVIRONMENT = "models run in the server's own environment: install what they need in its image"
_OWN_METADATA = "GET /v2 tells the server's own"

SERVER: dict[str, str] = {
    "parallel_workers_timeout": "a worker drains as the server does",
    "metrics_dir": "the metrics of several workers meet in a folder of their own",
    "metrics_rest_server_prefix": "metrics of REST are mooring_runtime_*",
    "environments_dir": _OWN_ENVIRONMENT,
    "model_repository_implementation": "models are those of FOLDER",
    "model_repository_implementation_args": "models are those of FOLDER",
    "model_repository_root": "models are those of FOLDER",
    "server_name": _OWN_METADATA,
    "server_version": _OWN_METADATA,
    "extensions": _OWN_METADATA,
    "kafka_enabled": "requests come by REST and gRPC",
    "tracing_server": "OpenTelemetry's own variables say where spans go: OTEL_EXPORTER_OTLP_ENDPOINT",
    "cache_enabled": "answers are not cached",
}

MODEL: dict[str, str] = {
    "parallel_workers": _ONE_PROCESS,
    "warm_workers": _ONE_PROCESS,
    "inference_pool_gid": _ONE_PROCESS,
    "autogenerate_inference_pool_gid": _ONE_PROCESS,
    "environment_path": _OWN_ENVIRONMENT,
    "environment_tarball": _OWN_ENVIRONMENT,
    "cache_enabled": "answers are not cached",
}

_OFF = ("", "0", "false", "[]", "{}")


def without_effect(
    table: Mapping[str, str], prefix: str, environ: Mapping[str, str], *documents: Mapping[str, Any]
) -> list[str]:
    """What is said of the settings of `table` that a variable or a document sets to more than nothing."""
    told = []
    for name, reason in table.items():
        values = [environ.get(f"{prefix}{name.upper()}"), *(document.get(name) for document in documents)]
        if any(value and str(value).lower() not in _OFF for value in values):
            told.append(f"{name} ({reason})")
    return told
