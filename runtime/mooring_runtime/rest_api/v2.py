"""The Open Inference Protocol over REST, with the repository extension."""

from functools import partial

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.errors import InvalidInput
from mooring_runtime.registry.servable import TensorMetadata
from mooring_runtime.rest_api.disconnect import respond
from mooring_runtime.rest_api.errors import json_response
from mooring_runtime.rest_api.inference import Inference
from mooring_runtime.rest_api.routes import add_routes


class V2Endpoints:
    """The handlers; each answers a response and raises domain errors."""

    def __init__(self, dataplane: DataPlane, inference: Inference) -> None:
        self._dataplane = dataplane
        self._inference = inference

    async def server_metadata(self, request: Request) -> Response:
        """Server metadata."""
        server = self._dataplane.server_metadata()
        return json_response({"name": server.name, "version": server.version, "extensions": server.extensions})

    async def live(self, request: Request) -> Response:
        """Server liveness: the event loop turns."""
        return json_response({"live": True})

    async def ready(self, request: Request) -> Response:
        """Server readiness; docs/serving.md has the rule."""
        await self._dataplane.check_ready()
        return json_response({"ready": True})

    async def models(self, request: Request) -> Response:
        """Names of the models that can answer."""
        return json_response({"models": self._dataplane.model_names()})

    async def model_metadata(self, request: Request, model_name: str, model_version: str | None = None) -> Response:
        """Model metadata."""
        versions, metadata = await self._dataplane.model_metadata(model_name, model_version)
        return json_response(
            {
                "name": model_name,
                "versions": versions or None,
                "platform": metadata.platform,
                "inputs": [_tensor(tensor) for tensor in metadata.inputs],
                "outputs": [_tensor(tensor) for tensor in metadata.outputs],
            }
        )

    async def model_ready(self, request: Request, model_name: str, model_version: str | None = None) -> Response:
        """Model readiness."""
        await self._dataplane.check_model_ready(model_name, model_version)
        return json_response({"name": model_name, "ready": True})

    async def infer(self, request: Request, model_name: str, model_version: str | None = None) -> Response:
        """Inference."""
        return await respond(
            request, partial(self._inference.infer, model_name=model_name, model_version=model_version)
        )

    async def index(self, request: Request) -> Response:
        """Repository index; `{"ready": true}` leaves out what is not ready."""
        body = await request.body()
        try:
            wishes = orjson.loads(body) if body.strip() else {}
        except orjson.JSONDecodeError as exc:
            raise InvalidInput(f"Unrecognized request format: {exc}") from None
        ready_only = isinstance(wishes, dict) and wishes.get("ready") is True
        return json_response(
            [
                {"name": entry.name, "version": entry.version, "state": entry.state, "reason": entry.reason}
                for entry in await self._dataplane.index(ready_only)
            ]
        )

    async def load(self, request: Request, model_name: str) -> Response:
        """Load a model, or load it anew; answers when requests reach it."""
        await self._dataplane.load(model_name)
        return json_response({"name": model_name, "load": True})

    async def unload(self, request: Request, model_name: str) -> Response:
        """Unload a model; answers when it is gone."""
        await self._dataplane.unload(model_name)
        return json_response({"name": model_name, "unload": True})


def _tensor(tensor: TensorMetadata) -> dict[str, object]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}


def v2_router(dataplane: DataPlane, inference: Inference) -> APIRouter:
    """The routes, as a table."""
    v2 = V2Endpoints(dataplane, inference)
    model, version = "/v2/models/{model_name}", "/v2/models/{model_name}/versions/{model_version}"
    routes = (
        ("GET", "/v2", v2.server_metadata),
        ("GET", "/v2/health/live", v2.live),
        ("GET", "/v2/health/ready", v2.ready),
        ("GET", "/v2/models", v2.models),
        ("GET", model, v2.model_metadata),
        ("GET", f"{model}/ready", v2.model_ready),
        ("POST", f"{model}/infer", v2.infer),
        ("GET", version, v2.model_metadata),
        ("GET", f"{version}/ready", v2.model_ready),
        ("POST", f"{version}/infer", v2.infer),
        ("POST", "/v2/repository/index", v2.index),
        ("POST", "/v2/repository/models/{model_name}/load", v2.load),
        ("POST", "/v2/repository/models/{model_name}/unload", v2.unload),
    )
    router = APIRouter(tags=["v2"])
    add_routes(router, routes, also_head=(v2.live, v2.ready, v2.model_ready))
    return router
