"""Spans of requests, by the library's own exporter into memory."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from tests.runtime.launched import launched

from mooring_runtime import InferInput, InferOutput, InferRequest, InferResponse, Model, PredictorConfig
from mooring_runtime.errors import InvalidInput
from mooring_runtime.grpc_client import InferenceGRPCClient
from mooring_runtime.telemetry.otel import Tracing
from mooring_runtime.telemetry.tracing import trace_exporters, tracing_to

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
CLIENT = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01", "tracestate": "vendor=1", "baggage": "tenant=blue"}
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
V2 = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}


@pytest.mark.parametrize(
    ("environ", "exporters"),
    [
        ({}, ()),
        (ENDPOINT, ("otlp_proto_http",)),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ("otlp_proto_grpc",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, ("otlp_proto_http",)),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ("console", "otlp_proto_http")),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, ()),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, None),
    ],
    ids=["nothing", "endpoint", "grpc", "endpoint of traces", "several", "none", "disabled"],
)
def test_the_library_s_variables_say_where_spans_go(
    environ: Mapping[str, str], exporters: tuple[str, ...] | None
) -> None:
    assert trace_exporters(environ) == exporters


def test_nobody_is_traced_who_did_not_ask() -> None:
    assert tracing_to(None) is None
    assert tracing_to(()) is None  # the library is imported here, and no provider is set


def test_without_the_library_a_server_serves_untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "mooring_runtime.telemetry.otel")
    assert tracing_to(("console",)) is None


class Traced:
    """A provider whose spans stay in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def server(self, server: Any) -> None:
        server.running.dataplane.tracing = Tracing(self.provider)

    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())


def ids(span: ReadableSpan) -> tuple[str, str]:
    assert span.context is not None
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


class Looks(Model):
    """Remembers what of a trace it saw, and fails on demand."""

    def __init__(self, name: str = "m") -> None:
        super().__init__(name)
        self.seen: list[tuple[dict[str, str], str]] = []

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        current = trace.get_current_span().get_span_context()
        self.seen.append((dict(headers), f"{current.span_id:016x}"))
        if isinstance(payload, InferRequest):
            return InferResponse(payload.id, self.name, [InferOutput.from_numpy("y", payload.inputs[0].as_numpy())])
        if payload["instances"] == ["bad"]:
            raise InvalidInput("bad")
        return {"predictions": [1 / payload["instances"][0]]}


async def test_a_request_is_a_span_of_the_client_s_trace_that_goes_on_to_the_model(serve_ready: Any) -> None:
    model, traced = Looks(), Traced()
    async with serve_ready(model) as server:
        traced.server(server)
        assert (await server.http.post("/v1/models/m:predict", json={"instances": [1]}, headers=CLIENT)).is_success
        (await server.http.post("/v2/models/m/infer", json=V2, headers=CLIENT)).raise_for_status()
        async with InferenceGRPCClient(server.grpc_target) as client:
            tensor = InferInput("x", [1], "FP32", [1.0])
            await client.infer(InferRequest("m", [tensor]), headers=CLIENT)
    spans = traced.spans()
    assert [span.attributes["mooring.protocol"] for span in spans if span.attributes] == ["v1", "v2", "grpc"]
    for span, (headers, current) in zip(spans, model.seen, strict=True):
        trace_id, span_id = ids(span)
        assert trace_id == TRACE_ID
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == SPAN_ID
        assert span.kind is SpanKind.SERVER
        assert span.attributes is not None
        assert (span.attributes["mooring.model.name"], span.attributes["mooring.outcome"]) == ("m", "ok")
        assert headers["traceparent"] == f"00-{TRACE_ID}-{span_id}-01"
        assert (headers["tracestate"], headers["baggage"]) == ("vendor=1", "tenant=blue")
        assert current == span_id  # so spans of user code are its children


@pytest.mark.parametrize(
    ("path", "instances", "outcome", "code"),
    [
        ("m:predict", [0], "InferenceError", StatusCode.ERROR),
        ("m:predict", ["bad"], "InvalidInput", StatusCode.UNSET),
        ("evil:predict", [1], "ModelNotFound", StatusCode.UNSET),
    ],
    ids=["the model's fault", "the client's fault", "no model"],
)
async def test_a_span_tells_how_its_request_ended(
    serve_ready: Any, path: str, instances: list[Any], outcome: str, code: StatusCode
) -> None:
    traced = Traced()
    async with serve_ready(Looks()) as server:
        traced.server(server)
        await server.http.post(f"/v1/models/{path}", json={"instances": instances})
    (span,) = traced.spans()
    assert span.attributes is not None
    assert (span.attributes["mooring.outcome"], span.status.status_code) == (outcome, code)
    assert span.parent is None
    assert "evil" not in str(span.to_json())


async def test_requests_of_one_stream_are_no_children_of_each_other(serve_ready: Any) -> None:
    traced = Traced()
    async with serve_ready(Looks()) as server:
        traced.server(server)
        async with grpc.aio.insecure_channel(server.grpc_target) as channel:
            await _stream_two(channel)
    first, second = traced.spans()
    assert first.parent is None
    assert second.parent is None


async def _stream_two(channel: grpc.aio.Channel) -> None:
    from mooring_runtime.grpc_api.messages import SERVICE, message

    request = message("ModelInferRequest")(model_name="m")
    request.inputs.add(name="x", datatype="FP32", shape=[1]).contents.fp32_contents.append(1)
    call = channel.stream_stream(
        f"/{SERVICE}/ModelStreamInfer", request_serializer=lambda made: made.SerializeToString()
    )(timeout=20)
    for _ in range(2):
        await call.write(request)
        await call.read()
    await call.done_writing()


class Passes(Model):
    def preprocess(self, payload: Any, headers: Any = None) -> Any:
        if not isinstance(payload, InferRequest):
            return payload
        values = payload.inputs[0].as_numpy()
        tensor = InferInput("x", list(values.shape), "FP32")
        tensor.set_data_from_numpy(values)
        return InferRequest(self.name, [tensor], payload.id)


@pytest.mark.parametrize("protocol", ["v1", "v2", "grpc-v2"])
async def test_a_predictor_s_span_is_a_child_of_the_transformer_s(serve_ready: Any, protocol: str) -> None:
    traced = Traced()
    async with serve_ready(Looks()) as behind:
        port = behind.address.grpc_port if protocol == "grpc-v2" else behind.address.http_port
        front_model = Passes("m", predictor_config=PredictorConfig(f"127.0.0.1:{port}", protocol))
        async with serve_ready(front_model) as front:
            traced.server(behind)
            traced.server(front)
            v1, v2 = ("/v1/models/m:predict", {"instances": [1]}), ("/v2/models/m/infer", V2)
            path, body = v1 if protocol == "v1" else v2
            (await front.http.post(path, json=body, headers=CLIENT)).raise_for_status()
    inner, outer = traced.spans()  # the inner one ends first
    assert ids(inner)[0] == ids(outer)[0] == TRACE_ID
    assert inner.parent is not None
    assert f"{inner.parent.span_id:016x}" == ids(outer)[1]


PROGRAM = """
import os, sys
from mooring_runtime import Model, ModelServer

class M(Model):
    def predict(self, payload, headers=None):
        return {"predictions": [1]}

sys.stdout = open(os.environ["SPANS"], "w")
ModelServer().start([M("m")])
"""


@pytest.mark.parametrize("disabled", ["false", "true"])
def test_a_process_sends_its_spans_before_it_ends(tmp_path: Path, disabled: str) -> None:
    (tmp_path / "serve.py").write_text(PROGRAM)
    out = tmp_path / "spans"
    otel = {"OTEL_TRACES_EXPORTER": "console", "OTEL_SERVICE_NAME": "mine", "OTEL_SDK_DISABLED": disabled}
    with launched(tmp_path / "serve.py", SPANS=str(out), **otel) as server:
        body = {"instances": [1]}
        server.http.post("/v1/models/m:predict", json=body, headers=CLIENT).raise_for_status()
    told = out.read_text()
    assert (TRACE_ID in told) is (disabled == "false")
    assert ('"service.name": "mine"' in told) is (disabled == "false")
