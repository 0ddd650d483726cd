"""Triton's extensions of v2 about models and server, not tensors: statistics, configuration, log settings."""

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.errors import InvalidInput
from mooring_runtime.logging import logger
from mooring_runtime.model_config import config_of
from mooring_runtime.rest_api.errors import json_response
from mooring_runtime.rest_api.routes import add_routes
from mooring_runtime.telemetry.log_settings import log_settings
from mooring_runtime.telemetry.statistics import statistics_document


class V2Extensions:
    """The handlers; each answers a response and raises domain errors."""

    def __init__(self, dataplane: DataPlane) -> None:
        self._dataplane = dataplane

    async def all_statistics(self, request: Request) -> Response:
        """What every model that can answer has done."""
        return await self._statistics(None, None)

    async def statistics(self, request: Request, model_name: str, model_version: str | None = None) -> Response:
        """What a model has done since the server started."""
        return await self._statistics(model_name, model_version)

    async def _statistics(self, name: str | None, version: str | None) -> Response:
        rows = await self._dataplane.statistics(name, version)
        return json_response({"model_stats": [statistics_document(*row) for row in rows]})

    async def config(self, request: Request, model_name: str, model_version: str | None = None) -> Response:
        """A model's configuration."""
        _, metadata = await self._dataplane.model_metadata(model_name, model_version)
        return json_response(config_of(model_name, metadata))

    async def log_settings(self, request: Request) -> Response:
        """What is logged."""
        return json_response(log_settings(logger))

    async def change_log_settings(self, request: Request) -> Response:
        """Change what is logged; answers all settings."""
        try:
            changes = orjson.loads(await request.body())
        except orjson.JSONDecodeError as exc:
            raise InvalidInput(f"Unrecognized request format: {exc}") from None
        if not isinstance(changes, dict):
            raise InvalidInput(f"the body must be a JSON object, got {type(changes).__name__}")
        return json_response(await self._dataplane.fleet.change_log_settings(changes))


def v2_extensions_router(dataplane: DataPlane) -> APIRouter:
    """The routes, as a table; to be included before those of v2, where `stats` would be a model's name."""
    v2 = V2Extensions(dataplane)
    model, version = "/v2/models/{model_name}", "/v2/models/{model_name}/versions/{model_version}"
    routes = (
        ("GET", "/v2/models/stats", v2.all_statistics),
        ("GET", f"{model}/stats", v2.statistics),
        ("GET", f"{version}/stats", v2.statistics),
        ("GET", f"{model}/config", v2.config),
        ("GET", f"{version}/config", v2.config),
        ("GET", "/v2/logging", v2.log_settings),
        ("POST", "/v2/logging", v2.change_log_settings),
    )
    router = APIRouter(tags=["v2 extensions"])
    add_routes(router, routes)
    return router
