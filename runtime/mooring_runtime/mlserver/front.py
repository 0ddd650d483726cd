"""The application before the server's own: MLServer's CORS, compression and root path, and the models' handlers."""

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from mooring_runtime.mlserver.settings import Settings


class _Below:
    """Takes requests that still have the path of the proxy in front, and those that have it no more."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "root_path": self._path}, receive, send)


def front_of(settings: Settings) -> FastAPI:
    """An application with what the settings ask for, and no routes yet."""
    front = FastAPI(openapi_url=None)
    if settings.root_path:
        front.add_middleware(_Below, path=settings.root_path.rstrip("/"))
    if settings.gzip_enabled:
        front.add_middleware(GZipMiddleware)
    if cors := settings.cors_settings:
        front.add_middleware(
            CORSMiddleware,
            allow_origins=cors.allow_origins,
            allow_origin_regex=cors.allow_origin_regex,
            allow_credentials=cors.allow_credentials,
            allow_methods=cors.allow_methods,
            allow_headers=cors.allow_headers,
            expose_headers=cors.expose_headers,
            max_age=cors.max_age,
        )
    return front
