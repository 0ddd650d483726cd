"""Spans by OpenTelemetry. The only module that imports it; `tracing` says when.

What sampler, limits, resource and propagators there are is the library's affair, which reads its own OTEL_* variables.
"""

from importlib.metadata import entry_points, version
from types import TracebackType

from opentelemetry import context, propagate, trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from mooring_runtime.errors import InvalidInput, ModelNotFound, NotSupported, RequestTooLarge
from mooring_runtime.logging import logger
from mooring_runtime.metrics import outcome_of
from mooring_runtime.registry.servable import Headers

FLUSH_MS = 3000
"""How long a server that ends waits for its last spans to be sent."""

_CLIENT_FAULTS = (InvalidInput, ModelNotFound, NotSupported, RequestTooLarge)
"""As an HTTP server does with 4xx, these leave a span's status open."""


def tracing_to(exporters: tuple[str, ...]) -> "Tracing | None":
    """Tracing by the program's own provider, or by a new one; None without provider or exporters."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        return Tracing(provider)
    if not exporters:
        return None
    provider = TracerProvider(resource=_resource())
    for name in exporters:
        for found in entry_points(group="opentelemetry_traces_exporter", name=name):
            provider.add_span_processor(BatchSpanProcessor(found.load()()))
            break
        else:
            logger.warning("No spans go to %s: install that exporter, or correct OTEL_TRACES_EXPORTER.", name)
    trace.set_tracer_provider(provider)  # so that spans of user code join ours
    return Tracing(provider)


def _resource() -> Resource:
    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return resource.merge(Resource({SERVICE_NAME: "mooring-runtime"}))
    return resource


class Tracing:
    """`tracing.Tracing` on a provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("mooring_runtime", version("mooring"))

    def request(self, model: str, protocol: str, headers: Headers) -> "_Request":
        """Trace one request around the block."""
        return _Request(self._tracer, model, protocol, headers)

    def close(self) -> None:
        """Send what is not sent yet."""
        self._provider.force_flush(FLUSH_MS)


class _Request:
    def __init__(self, tracer: Tracer, model: str, protocol: str, headers: Headers) -> None:
        self._tracer = tracer
        self._model = model
        self._protocol = protocol
        self._headers = headers
        self._span: Span = trace.INVALID_SPAN

    def __enter__(self) -> Headers:
        # A span under way is of the program's own instrumentation of the server; one that has ended, of the request
        # before this one.
        inside = trace.get_current_span().is_recording()
        parent = context.get_current() if inside else propagate.extract(self._headers, context.Context())
        name = f"{self._protocol} {self._model}".rstrip()
        self._span = self._tracer.start_span(name, parent, SpanKind.INTERNAL if inside else SpanKind.SERVER)
        self._span.set_attributes({"mooring.model.name": self._model, "mooring.protocol": self._protocol})
        here = trace.set_span_in_context(self._span, parent)
        context.attach(here)  # never detached, since the pieces of an answer may be made in other tasks
        replaced = propagate.get_global_textmap().fields
        headers = {name: value for name, value in self._headers.items() if name not in replaced}
        propagate.inject(headers, here)
        return headers

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        self._span.set_attribute("mooring.outcome", outcome_of(kind))
        if kind is not None:
            self._span.set_attribute("error.type", kind.__name__)
        if isinstance(error, Exception) and not isinstance(error, _CLIENT_FAULTS):
            self._span.set_status(Status(StatusCode.ERROR, str(error)))
        self._span.end()
