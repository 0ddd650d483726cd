"""The HTTP application: routers, metrics, nothing global."""

from typing import Any

from fastapi import FastAPI
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.lanes.threads import Threads
from mooring_runtime.rest_api.docs import add_docs
from mooring_runtime.rest_api.inference import Inference
from mooring_runtime.rest_api.openapi import document
from mooring_runtime.rest_api.routes import answer_other_methods
from mooring_runtime.rest_api.v1 import v1_router
from mooring_runtime.rest_api.v2 import v2_router
from mooring_runtime.rest_api.v2_extensions import v2_extensions_router
from mooring_runtime.rest_api.v2_streams import v2_streams_router
from mooring_runtime.server_metadata import SERVER_NAME


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """What is served, from our own table: signatures of handlers do not tell it."""
        return document(self.title, self.version)


def create_app(dataplane: DataPlane, inference: Inference, threads: Threads, docs: bool = False) -> FastAPI:
    """An application over `dataplane`.

    Args:
        dataplane: Answers about server and models.
        inference: Answers the requests of models.
        threads: Where large bodies are parsed.
        docs: Whether `/docs` shows the API.
    """
    app = _Application(
        title=f"{SERVER_NAME} runtime",
        version=dataplane.server_metadata().version,
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(v1_router(dataplane, inference))
    app.include_router(v2_extensions_router(dataplane))
    app.include_router(v2_router(dataplane, inference))
    app.include_router(v2_streams_router(dataplane, inference, threads))

    async def metrics(request: Request) -> Response:
        """Prometheus metrics."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(dataplane.metrics.shown), headers={"content-type": content_type})

    app.add_api_route("/metrics", metrics, methods=["GET"], response_model=None)
    answer_other_methods(app)
    if docs:
        add_docs(app)
    return app


def in_front(front: FastAPI, app: FastAPI) -> FastAPI:
    """Put `front`'s middleware and routes before `app`: what `front` has no route for, `app` answers."""
    front.router.default = app
    return front


def is_bare(front: FastAPI) -> bool:
    """Whether an application has nothing that could act on a request that another one answers."""
    return not front.user_middleware and not front.routes
