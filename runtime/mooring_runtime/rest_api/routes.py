"""A table of endpoints as routes."""

from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from mooring_runtime.rest_api.errors import answering_errors, json_response
from mooring_runtime.rest_api.operations import operations

Endpoint = Callable[..., Awaitable[Response]]


def add_routes(
    router: APIRouter, routes: Iterable[tuple[str, str, Endpoint]], also_head: tuple[Endpoint, ...] = ()
) -> None:
    """Add routes of (method, path, endpoint).

    Args:
        router: Where.
        routes: What; errors become answers.
        also_head: Endpoints that load balancers also ask by HEAD. OpenAPI leaves that out: it would need a second name.
    """
    for method, path, endpoint in routes:
        guarded = answering_errors(endpoint)
        router.add_api_route(path, guarded, methods=[method], status_code=HTTPStatus.OK, response_model=None)
        if endpoint in also_head:
            router.add_api_route(path, guarded, methods=["HEAD"], response_model=None, include_in_schema=False)


def answer_other_methods(app: FastAPI) -> None:
    """Answer 405 with all methods of the path (RFC 9110, section 15.5.6); left alone, it names those of one route."""
    methods: dict[str, list[str]] = {}
    for operation in operations():
        methods.setdefault(operation.path, []).append(operation.method.upper())
    # The longest first: `m:predict` may be a model's name, too.
    patterns = [(compile_path(path)[0], ", ".join(sorted(methods[path]))) for path in sorted(methods, key=len)[::-1]]

    async def not_allowed(request: Request, exc: Exception) -> Response:
        path = request.scope["path"]
        allowed = next((allowed for pattern, allowed in patterns if pattern.match(path)), None)
        headers = {"Allow": allowed or "GET"}  # what is in no table is documentation
        return json_response({"detail": "Method Not Allowed"}, HTTPStatus.METHOD_NOT_ALLOWED, headers)

    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, not_allowed)
