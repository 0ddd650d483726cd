"""The v1 protocol (TensorFlow Serving's shape, as KServe serves it)."""

from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.rest_api.disconnect import respond
from mooring_runtime.rest_api.errors import json_response
from mooring_runtime.rest_api.inference import Inference
from mooring_runtime.rest_api.routes import add_routes


class V1Endpoints:
    """The handlers; each answers a response and raises domain errors."""

    def __init__(self, dataplane: DataPlane, inference: Inference) -> None:
        self._dataplane = dataplane
        self._inference = inference

    async def alive(self, request: Request) -> Response:
        """Server liveness."""
        return json_response({"status": "alive"})

    async def models(self, request: Request) -> Response:
        """Names of the models that can answer."""
        return json_response({"models": self._dataplane.model_names()})

    async def model_ready(self, request: Request, model_name: str) -> Response:
        """Model readiness."""
        await self._dataplane.check_model_ready(model_name)
        return json_response({"name": model_name, "ready": True})

    async def predict(self, request: Request, model_name: str) -> Response:
        """Prediction."""
        return await respond(request, partial(self._inference.predict, model_name=model_name))

    async def explain(self, request: Request, model_name: str) -> Response:
        """Explanation."""
        return await respond(request, partial(self._inference.explain, model_name=model_name))


def v1_router(dataplane: DataPlane, inference: Inference) -> APIRouter:
    """The routes, as a table."""
    v1 = V1Endpoints(dataplane, inference)
    routes = (
        ("GET", "/", v1.alive),
        ("GET", "/v1/models", v1.models),
        ("POST", "/v1/models/{model_name}:predict", v1.predict),
        ("POST", "/v1/models/{model_name}:explain", v1.explain),
        ("GET", "/v1/models/{model_name}", v1.model_ready),
    )
    router = APIRouter(tags=["v1"])
    add_routes(router, routes, also_head=(v1.alive, v1.model_ready))
    return router
