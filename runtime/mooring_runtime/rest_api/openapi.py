"""The OpenAPI document of what is served; pure."""

import re
from collections.abc import Mapping
from typing import Any

from mooring_runtime.errors import QueueFull
from mooring_runtime.rest_api.errors import STATUS
from mooring_runtime.rest_api.operations import JSON, OCTETS, Operation, operations
from mooring_runtime.rest_api.schemas import COUNT, SCHEMAS, Schema, ref
from mooring_runtime.rest_api.v2_wire import HEADER_LENGTH

_NAME: Schema = {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds.", "schema": COUNT}}
_JSON_LENGTH = {HEADER_LENGTH: {"description": "Where raw tensors begin, if there are any.", "schema": COUNT}}


def document(title: str, version: str) -> dict[str, Any]:
    """The document, of OpenAPI 3.1.

    Args:
        title: Of the server.
        version: Of the server.
    """
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations():
        paths.setdefault(operation.path, {})[operation.method] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": SCHEMAS},
    }


def _described(operation: Operation) -> dict[str, Any]:
    path_parameters = [
        {"name": name, "in": "path", "required": True, "schema": _NAME}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    described: dict[str, Any] = {
        "operationId": "_".join([operation.method, *re.findall(r"\w+", operation.path)]),
        "summary": operation.summary,
        "tags": [_tag(operation.path)],
        "parameters": [*path_parameters, *operation.headers],
        "responses": {"200": _success(operation.answers), **_failures(operation)},
    }
    if operation.body:
        content = {kind: {"schema": schema} for kind, schema in operation.body.items()}
        content[JSON]["example"] = operation.example
        described["requestBody"] = {"required": operation.body_required, "content": content}
    return described


def _tag(path: str) -> str:
    parts = path.split("/")
    return "repository" if "repository" in parts else parts[1] if parts[1] in ("v1", "v2") else "server"


def _success(answers: Mapping[str, Schema]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "OK"}
    if answers:
        answer["content"] = {kind: {"schema": schema} for kind, schema in answers.items()}
    if OCTETS in answers:
        answer["headers"] = _JSON_LENGTH
    return answer


def _failures(operation: Operation) -> dict[str, Any]:
    """By status; each tells of the errors that have it."""
    failures: dict[str, Any] = {}
    for error in operation.errors:
        status, told = STATUS[error].value, (error.__doc__ or "").partition("\n")[0]
        failure = failures.setdefault(str(status), {"description": ""})
        failure["description"] = f"{failure['description']} {told}".strip()
        if operation.method != "head":
            failure["content"] = {JSON: {"schema": ref("Error")}}
        if error is QueueFull:
            failure["headers"] = _RETRY_AFTER
    return dict(sorted(failures.items()))
