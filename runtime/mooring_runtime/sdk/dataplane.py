"""The running server, as KServe's programs ask it: `server.dataplane` and `server.model_repository_extension`.

Both may be asked on any event loop, so also by a model that calls another one, once `ModelServer.start` serves.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from mooring_runtime import dataplane
from mooring_runtime.errors import ModelNotFound, ServerNotReady
from mooring_runtime.infer_type import InferRequest
from mooring_runtime.model import Model
from mooring_runtime.model_repository import ModelRepository
from mooring_runtime.registry.servable import Headers, TensorMetadata

T = TypeVar("T")


class DataPlane:
    """What a server answers.

    Args:
        model_registry: Its models.
    """

    def __init__(self, model_registry: ModelRepository) -> None:
        self.model_registry = model_registry
        self._served: dataplane.DataPlane | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, served: dataplane.DataPlane) -> None:
        """Ask `served` from now on. Called on the loop that it runs on."""
        self._served, self._loop = served, asyncio.get_running_loop()

    @property
    def served(self) -> dataplane.DataPlane:
        """Who answers.

        Raises:
            ServerNotReady: nobody, before `start`.
        """
        if self._served is None:
            raise ServerNotReady("It has not been started.")
        return self._served

    async def on_its_loop(self, call: Coroutine[Any, Any, T]) -> T:
        """Await `call` on the server's loop, from there or from another."""
        if self._loop is None or self._loop is asyncio.get_running_loop():
            return await call
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self._loop))

    def get_model_from_registry(self, name: str) -> Model:
        """The model itself.

        Raises:
            ModelNotFound: there is none of that name.
        """
        model = self.model_registry.get_model(name)
        if model is None:
            raise ModelNotFound(name)
        return model

    @staticmethod
    async def live() -> dict[str, str]:
        """That the server lives."""
        return {"status": "alive"}

    async def ready(self) -> bool:
        """Whether requests should come here."""
        return self._served is not None and await self.on_its_loop(self._served.is_ready())

    def metadata(self) -> dict[str, Any]:
        """Name, version and extensions of the server."""
        told = self.served.server_metadata()
        return {"name": told.name, "version": told.version, "extensions": list(told.extensions)}

    async def model_ready(self, model_name: str, disable_predictor_health_check: bool = False) -> bool:
        """Whether the model can answer.

        Args:
            model_name: The model.
            disable_predictor_health_check: Whether to leave out the predictor that it stands in front of.

        Raises:
            ModelNotFound: there is none of that name.
            ModelNotReady: nothing serves it.
        """
        if disable_predictor_health_check:
            return bool(self.get_model_from_registry(model_name).ready)
        return await self.on_its_loop(self.served.model_ready(model_name))

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """Name, platform, inputs and outputs of a model.

        Raises:
            ModelNotFound: there is none of that name.
            ModelNotReady: nothing serves it.
        """
        _, told = await self.on_its_loop(self.served.model_metadata(model_name))
        return {
            "name": model_name,
            "platform": told.platform,
            "inputs": [_declared(tensor) for tensor in told.inputs],
            "outputs": [_declared(tensor) for tensor in told.outputs],
        }

    async def infer(
        self, model_name: str, request: Mapping[str, Any] | InferRequest, headers: Headers | None = None
    ) -> tuple[Any, Headers]:
        """Ask a model: the answer, in the protocol of the request, and headers to send with it.

        Raises:
            ServingError: as over the wire.
        """
        served, headers = self.served, headers or {}
        if isinstance(request, InferRequest):
            return await self.on_its_loop(served.infer(model_name, None, request, headers, "v2"))
        return await self.on_its_loop(served.predict(model_name, request, headers))

    async def explain(
        self, model_name: str, request: Mapping[str, Any], headers: Headers | None = None
    ) -> tuple[Any, Headers]:
        """Ask a model to explain; as `infer`."""
        return await self.on_its_loop(self.served.explain(model_name, request, headers or {}))


class ModelRepositoryExtension:
    """Which models a server has."""

    def __init__(self, model_registry: ModelRepository, asked: DataPlane) -> None:
        self.model_registry = model_registry
        self._dataplane = asked

    async def index(self, filter_ready: bool = False) -> list[dict[str, str]]:
        """Name, state and reason of each model.

        Args:
            filter_ready: Whether to leave out those that cannot answer.
        """
        entries = await self._dataplane.on_its_loop(self._dataplane.served.index(filter_ready))
        return [{"name": each.name, "state": str(each.state), "reason": each.reason} for each in entries]

    async def load(self, model_name: str) -> None:
        """Load a model, or load it anew.

        Raises:
            ModelNotFound: nobody makes one of that name.
            ModelLoadFailed: it cannot be served.
        """
        await self._dataplane.on_its_loop(self._dataplane.served.load(model_name))

    async def unload(self, model_name: str) -> None:
        """Stop a model.

        Raises:
            ModelNotFound: there is none of that name.
        """
        await self._dataplane.on_its_loop(self._dataplane.served.unload(model_name))


def _declared(tensor: TensorMetadata) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
