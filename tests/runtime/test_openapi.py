import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import jsonschema
import openapi_spec_validator
import pytest
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.metrics import Metrics
from mooring_runtime.rest_api.app import create_app
from mooring_runtime.rest_api.cloud_events import Attributes
from mooring_runtime.rest_api.errors import STATUS
from mooring_runtime.rest_api.inference import Inference
from mooring_runtime.rest_api.openapi import document
from mooring_runtime.rest_api.operations import JSON, Operation, operations
from mooring_runtime.rest_api.schemas import SCHEMAS

Serve = Callable[..., AbstractAsyncContextManager[Any]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
DOCUMENT = document("mooring runtime", "1")


def test_it_is_an_openapi_document() -> None:
    openapi_spec_validator.validate(DOCUMENT)


def test_every_schema_is_used() -> None:
    named = set(re.findall(r"'#/components/schemas/(\w+)'", repr(DOCUMENT)))
    assert named == set(SCHEMAS)


def test_it_describes_what_is_routed_and_nothing_else() -> None:
    dataplane = DataPlane(None, Metrics(CollectorRegistry()))  # type: ignore[arg-type] # nobody asks it
    threads = Threads.for_cpus(1)
    app = create_app(dataplane, Inference(dataplane, threads, Attributes()), threads)
    routed = get_openapi(title="", version="", routes=app.routes)["paths"]
    described = {(each.method, each.path) for each in operations() if each.method != "head"}
    assert described == {(method, path) for path, methods in routed.items() for method in methods}


async def test_head_is_answered_where_it_is_described(serve_folder: Serve) -> None:
    described = {(each.method, each.path) for each in operations()}
    async with serve_folder() as server:
        for _, path in {each for each in described if each[0] == "get"}:
            answer = await server.http.head(re.sub(r"{\w+}", "m", path))
            assert (answer.status_code != 405) is (("head", path) in described), path


def test_every_error_of_an_endpoint_has_a_status() -> None:
    for operation in operations():
        assert {error for error in operation.errors if error not in STATUS} == set()


@pytest.mark.parametrize(
    "operation", [each for each in operations() if each.example], ids=lambda each: f"{each.method} {each.path}"
)
def test_examples_fit_their_schemas(operation: Operation) -> None:
    schema = {**operation.body[JSON], "components": DOCUMENT["components"]}
    jsonschema.validate(operation.example, schema)


@pytest.mark.parametrize("name", [name for name, schema in SCHEMAS.items() if "examples" in schema])
def test_examples_of_answers_fit_their_schemas(name: str) -> None:
    for example in SCHEMAS[name]["examples"]:
        jsonschema.validate(example, {**SCHEMAS[name], "components": DOCUMENT["components"]})


async def test_it_is_served(serve_folder: Serve) -> None:
    async with serve_folder(enable_docs_url=True) as server:
        assert (await server.http.get("/openapi.json")).json()["paths"] == DOCUMENT["paths"]
        page = (await server.http.get("/docs")).text
        assert "/openapi.json" in page
        assert re.findall("https?://", page) == []  # a cluster may have no internet
        for path in re.findall(r"(?:href|src)=\"([^\"]+)\"", page):
            assert (path, (await server.http.get(path)).status_code) == (path, 200)
    async with serve_folder() as server:
        assert (await server.http.get("/docs")).status_code == 404


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v2/logging", "GET, POST"),
        ("/v2/health/live", "GET, HEAD"),
        ("/v1/models/m:predict", "POST"),
        ("/docs", "GET"),
    ],
)
async def test_a_method_that_is_not_there_is_told_which_are(serve_folder: Serve, path: str, allowed: str) -> None:
    async with serve_folder(enable_docs_url=True) as server:
        answer = await server.http.request("PATCH", path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert answer.json() == {"detail": "Method Not Allowed"}
