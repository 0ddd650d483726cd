"""What each endpoint of REST takes and may answer, as a table; pure.

Beside the routes, since the handlers' signatures do not say it: bodies are bytes until they are parsed, and errors come
from anywhere below. Tests hold it to the routes, and to the server's answers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mooring_runtime.errors import (
    DeadlineExceeded,
    InferenceError,
    InvalidInput,
    ModelLoadFailed,
    ModelNotFound,
    ModelNotReady,
    NotSupported,
    QueueFull,
    RequestTooLarge,
    ServerNotReady,
    ServingError,
)
from mooring_runtime.rest_api.schemas import COUNT, TEXT, Schema, ref
from mooring_runtime.rest_api.v2_wire import HEADER_LENGTH

JSON, OCTETS, IMAGES, EVENTS, EVENT = (
    "application/json",
    "application/octet-stream",
    "image/*",
    "text/event-stream",
    "application/cloudevents+json",
)
_BYTES: Schema = {"type": "string", "format": "binary"}

_MODEL = (ModelNotFound, ModelNotReady)
_ASKED = (*_MODEL, QueueFull, InferenceError)
"""What a model of user code tells of itself is asked in its thread."""
_BODY = (InvalidInput, RequestTooLarge)
_INFERENCE = (*_BODY, *_ASKED, DeadlineExceeded, NotSupported)

_V2_BODY = {JSON: ref("InferRequest"), OCTETS: _BYTES, IMAGES: _BYTES}
_EXAMPLE = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}]}
_TIMEOUT = {
    "name": "x-request-timeout-ms",
    "in": "header",
    "schema": {**COUNT, "maximum": 10**15 - 1},
    "description": "How long the client waits for the answer; 0 says nothing.",
}
_HEADER_LENGTH = {
    "name": HEADER_LENGTH,
    "in": "header",
    "schema": COUNT,
    "description": "Where the JSON ends and raw tensors begin; 0 for a body that is nothing but the data of one input.",
}


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    summary: str
    answers: Mapping[str, Schema]
    """Media types of a 200."""
    errors: tuple[type[ServingError], ...] = ()
    body: Mapping[str, Schema] = field(default_factory=dict)
    """Media types of the request."""
    headers: tuple[Schema, ...] = ()
    example: Any = None
    """Of a JSON body."""
    body_required: bool = True


def _get(path: str, summary: str, schema: str, *errors: type[ServingError]) -> Operation:
    return Operation("get", path, summary, {JSON: ref(schema)}, errors)


def _health(path: str, summary: str, schema: str, *errors: type[ServingError]) -> tuple[Operation, Operation]:
    """By GET, and by HEAD, which load balancers ask by."""
    return _get(path, summary, schema, *errors), Operation("head", path, summary, {}, errors)


def _v1(verb: str, summary: str) -> Operation:
    body = {JSON: ref("V1Request"), EVENT: ref("V1Request"), IMAGES: _BYTES}
    answers = {JSON: ref("V1Response"), EVENT: ref("V1Response")}
    path = f"/v1/models/{{model_name}}:{verb}"
    return Operation("post", path, summary, answers, _INFERENCE, body, (_TIMEOUT,), {"instances": [1.0, 2.0]})


def _inference(path: str, verb: str, summary: str, answers: Mapping[str, Schema]) -> Operation:
    headers = (_HEADER_LENGTH, _TIMEOUT)
    return Operation("post", f"{path}/{verb}", summary, answers, _INFERENCE, _V2_BODY, headers, _EXAMPLE)


def _generate(path: str, verb: str, summary: str, answers: Mapping[str, Schema]) -> Operation:
    body = {JSON: ref("GenerateRequest")}
    return Operation("post", f"{path}/{verb}", summary, answers, _INFERENCE, body, (_TIMEOUT,), {"text_input": "Hello"})


def _events(*kinds: str) -> dict[str, Schema]:
    """Server-sent events; before OpenAPI 3.2 the schema is of each, not of the whole stream."""
    document: Schema = {"anyOf": [ref(kind) for kind in (*kinds, "Error")]}
    data = {"type": "string", "contentMediaType": JSON, "contentSchema": document}
    return {EVENTS: {"type": "object", "properties": {"data": data}, "required": ["data"]}}


def _model(path: str) -> Iterator[Operation]:
    """What a model has, and each version of it."""
    yield _get(path, "Metadata", "ModelMetadata", *_ASKED)
    yield from _health(f"{path}/ready", "Readiness of the model", "ModelReady", *_ASKED)
    yield _get(f"{path}/config", "Configuration", "ModelConfig", *_ASKED)
    yield _get(f"{path}/stats", "What it has done since the server started", "ModelStatistics", *_MODEL)
    tensors = {JSON: ref("InferResponse"), OCTETS: _BYTES}
    yield _inference(path, "infer", "Inference", tensors)
    yield _inference(path, "infer_stream", "Inference, answered piece by piece", _events("InferResponse"))
    values = {JSON: {"anyOf": [ref("GenerateResponse"), ref("InferResponse")]}, OCTETS: _BYTES}
    yield _generate(path, "generate", "Inference on values by name", values)
    events = _events("GenerateResponse", "InferResponse")
    yield _generate(path, "generate_stream", "Inference on values by name, answered piece by piece", events)


def _repository() -> Iterator[Operation]:
    index = {JSON: ref("IndexRequest")}
    path, summary = "/v2/repository/index", "Models with their states"
    yield Operation("post", path, summary, {JSON: ref("Index")}, _BODY, index, (), {"ready": True}, body_required=False)
    path, failures = "/v2/repository/models/{model_name}", (ModelNotFound, ModelLoadFailed, ServerNotReady)
    yield Operation("post", f"{path}/load", "Load, or load anew", {JSON: ref("Loaded")}, failures)
    yield Operation("post", f"{path}/unload", "Unload", {JSON: ref("Unloaded")}, (ModelNotFound,))


def operations() -> Iterator[Operation]:
    """All that is served."""
    yield from _health("/", "Liveness", "Alive")
    yield Operation("get", "/metrics", "Prometheus metrics", {"text/plain": TEXT})
    yield _get("/v1/models", "Models that can answer", "ModelNames")
    yield from _health("/v1/models/{model_name}", "Readiness of the model", "ModelReady", *_ASKED)
    yield _v1("predict", "Prediction")
    yield _v1("explain", "Explanation")
    yield _get("/v2", "Server metadata", "ServerMetadata")
    yield from _health("/v2/health/live", "Liveness", "ServerLive")
    yield from _health("/v2/health/ready", "Readiness of the server", "ServerReady", ServerNotReady)
    yield _get("/v2/models", "Models that can answer", "ModelNames")
    yield _get("/v2/models/stats", "What every model has done since the server started", "ModelStatistics")
    yield from _model("/v2/models/{model_name}")
    yield from _model("/v2/models/{model_name}/versions/{model_version}")
    yield from _repository()
    yield _get("/v2/logging", "What is logged", "LogSettings")
    body = {JSON: ref("LogSettings")}
    changes = Operation("post", "/v2/logging", "Change what is logged", body, _BODY, body, (), {"log_info": True})
    yield changes
