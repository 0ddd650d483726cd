"""Swagger UI at `/docs`, whole: FastAPI's own page fetches it from a public server, which a cluster may not reach."""

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

_FILES = "/docs/files"


def add_docs(app: FastAPI) -> None:
    """Show what `app` describes; the page's files are those of the package fastapi-offline."""
    app.mount(_FILES, StaticFiles(packages=[("fastapi_offline", "static")]))

    async def docs(request: Request) -> Response:
        root = request.scope.get("root_path", "")
        return get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=app.title,
            swagger_js_url=f"{root}{_FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{_FILES}/swagger-ui.css",
            swagger_favicon_url=f"{root}{_FILES}/favicon.png",
        )

    app.add_api_route("/docs", docs, methods=["GET"], include_in_schema=False, response_model=None)
