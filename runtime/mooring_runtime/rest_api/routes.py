"""A table of endpoints as routes."""

from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus

from fastapi import APIRouter
from starlette.responses import Response

from mooring_runtime.rest_api.errors import answering_errors

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
