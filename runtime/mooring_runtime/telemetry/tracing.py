"""Whether requests are traced, and what that takes. Imports no tracing library: `otel` does, where it is wanted.

Untraced, the headers of a trace pass through to the predictor as the client sent them (`predictor.FORWARDED`).
"""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Protocol

from mooring_runtime.logging import logger
from mooring_runtime.registry.servable import Headers

_LIBRARY = "opentelemetry.sdk.trace"


class Tracing(Protocol):
    """Makes a span of each request."""

    def request(self, model: str, protocol: str, headers: Headers) -> AbstractContextManager[Headers]:
        """Trace one request around the block.

        Args:
            model: Its name; empty when there is none of that name.
            protocol: How the client speaks.
            headers: The client's; what they say of a trace is continued.

        Returns:
            The headers for the model: the client's, but of a trace those that continue the request's own span.
        """

    def close(self) -> None:
        """Send what is not sent yet; blocks for some seconds at most."""


def trace_exporters(environ: Mapping[str, str]) -> tuple[str, ...] | None:
    """Where to send spans, as OpenTelemetry's variables say; None where they switch tracing off.

    Unlike the library's default, nothing said means nowhere, not the OTLP collector on localhost.
    """
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    endpoint = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    text = environ.get("OTEL_TRACES_EXPORTER") or ("otlp" if endpoint else "")
    exporters = tuple(name for name in (part.strip() for part in text.split(",")) if name and name != "none")
    if "otlp" in exporters:
        protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or ""
        actual = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
        exporters = tuple(actual if name == "otlp" else name for name in exporters)
    return exporters


def tracing_to(exporters: tuple[str, ...] | None) -> Tracing | None:
    """Tracing by OpenTelemetry; None where nobody wants it, or the library is not there.

    Args:
        exporters: Names of exporters, as of `trace_exporters`. With none, spans go where the program itself said, by
            setting a tracer provider before: such a program has imported the library.
    """
    if exporters is None or not (exporters or _LIBRARY in sys.modules):
        return None
    try:
        otel = import_module("mooring_runtime.telemetry.otel")
    except ModuleNotFoundError as exc:
        logger.warning("Requests are not traced: there is no %s. Install mooring[otel].", exc.name)
        return None
    tracing: Tracing | None = otel.tracing_to(exporters)
    return tracing
