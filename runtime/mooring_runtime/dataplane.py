"""What every transport asks: health, metadata, inference, repository. Knows no HTTP and no gRPC."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import Any

from mooring_runtime.answers import Contexts, finished, held, pieces_of
from mooring_runtime.errors import ModelNotReady, ServerNotReady, ServingError, StartupError
from mooring_runtime.fleet import Alone, Fleet
from mooring_runtime.infer_type import InferRequest, InferResponse
from mooring_runtime.lanes.schedule import deadline, priority_of, timeout_s
from mooring_runtime.metrics import UNKNOWN, Metrics
from mooring_runtime.registry.readiness import SAYS_NO, Readiness
from mooring_runtime.registry.repository import IndexEntry, Repository
from mooring_runtime.registry.servable import ConversingServable, Headers, ModelMetadata, Servable
from mooring_runtime.server_metadata import ServerMetadata, server_metadata
from mooring_runtime.telemetry.statistics import ModelStatistics
from mooring_runtime.telemetry.tracing import Tracing


class DataPlane:
    """One server's models behind transport-free verbs.

    Args:
        repository: The models.
        metrics: Where requests are counted.
        strict: Whether the server is ready only while every model that it should have is.

    Attributes:
        fleet: All processes that serve these models.
        tracing: Makes a span of each request, where it is not None.
        draining: Set on the way down: not ready any more, still answering.
    """

    def __init__(self, repository: Repository, metrics: Metrics, strict: bool = True) -> None:
        self.repository = repository
        self.metrics = metrics
        self.tracing: Tracing | None = None
        self._readiness = Readiness(repository, strict)
        self.draining = self._readiness.draining
        self.fleet: Fleet = Alone(repository, metrics)

    @property
    def started(self) -> bool:
        """Whether every model of the start was tried."""
        return self._readiness.started

    async def is_ready(self) -> bool:
        """Whether requests should come here."""
        return not await self._why_not()

    async def check_ready(self) -> None:
        """As `is_ready`.

        Raises:
            ServerNotReady: no; the text says why, and which models are at fault.
        """
        if why := await self._why_not():
            raise ServerNotReady(why)

    async def _why_not(self) -> str:
        return await self._readiness.why_not() or self.fleet.lacking()

    def server_metadata(self) -> ServerMetadata:
        """Who answers."""
        return server_metadata()

    def model_names(self) -> list[str]:
        """Names of the models that can answer."""
        return self.repository.names()

    async def model_ready(self, name: str, model_version: str | None = None) -> bool:
        """Whether the model can answer.

        Raises:
            ModelNotFound: unknown name or version.
            ModelNotReady: nothing serves; the text says why.
        """
        return not await self._readiness.of_model(name, model_version)

    async def check_model_ready(self, name: str, model_version: str | None = None) -> None:
        """As `model_ready`.

        Raises:
            ModelNotReady: also when it says so itself.
        """
        if why := await self._readiness.of_model(name, model_version):
            raise ModelNotReady(name, "" if why == SAYS_NO else why)

    async def model_metadata(self, name: str, model_version: str | None = None) -> tuple[list[str], ModelMetadata]:
        """Versions that serve, or the one that was asked for, and the declaration of a model."""
        with self.repository.lease(name, model_version) as serving:
            servings = self.repository.servings(name, model_version)
            return [each.version for each in servings if each.version], await serving.servable.metadata()

    async def statistics(
        self, name: str | None, model_version: str | None
    ) -> list[tuple[str, str | None, ModelStatistics]]:
        """Name, version and work of a model, or of one version of it; of all that can answer where `name` is None.

        Raises:
            ModelNotFound: unknown name or version.
            ModelNotReady: nothing serves.
        """
        servings = [
            (each, serving)
            for each in ([name] if name is not None else self.repository.names())
            for serving in self.repository.servings(each, model_version if name is not None else None)
        ]
        done = await self.fleet.statistics()
        return [(each, serving.version, done.get(serving.work, ModelStatistics())) for each, serving in servings]

    async def infer(
        self,
        name: str,
        model_version: str | None,
        request: InferRequest,
        headers: Headers,
        protocol: str,
        remaining_s: float | None = None,
    ) -> tuple[InferResponse, Headers]:
        """Answer a v2 request.

        Args:
            name: The model.
            model_version: Its version, None for whichever serves.
            request: What to compute; its parameters may say how urgent it is.
            headers: Handed to the model; may say how long the client waits.
            protocol: The label of the metrics.
            remaining_s: What the transport itself knows of how long the client waits.
        """
        with (
            self._counted(name, model_version, protocol),
            self._traced(name, protocol, headers) as headers,
            self.repository.lease(name, model_version) as serving,
        ):
            priority_of(request.parameters)  # a faulty one is the client's fault, not the lane's
            async with deadline(name, remaining_s, timeout_s(request.parameters, headers)):
                response, response_headers = await serving.servable.infer(request, headers)
            return await finished(response, request, serving), response_headers

    def converses(self, name: str, model_version: str | None) -> bool:
        """Whether the model takes the requests of a stream together; not if there is none to ask."""
        try:
            servable = self.repository.serving(name, model_version).servable
        except ServingError:  # told when it is asked
            return False
        return isinstance(servable, ConversingServable) and servable.converses

    async def infer_stream(
        self,
        name: str,
        model_version: str | None,
        request: InferRequest,
        headers: Headers,
        protocol: str,
        more: AsyncIterator[InferRequest] | None = None,
    ) -> AsyncGenerator[InferResponse, None]:
        """As `infer`, in as many pieces as the model makes of its answer; a deadline is for the first one.

        `more` are the requests after this one, for a model that `converses`.
        """
        with (
            self._counted(name, model_version, protocol),
            self._traced(name, protocol, headers) as headers,
            self.repository.lease(name, model_version) as serving,
        ):
            priority_of(request.parameters)
            async with aclosing(pieces_of(serving.servable, request, headers, more)) as pieces:
                async with deadline(name, timeout_s(request.parameters, headers)):
                    first = await anext(pieces, None)
                if first is not None:
                    yield await finished(first, request, serving)
                async for piece in pieces:
                    yield await finished(piece, request, serving)

    async def predict(self, name: str, body: Any, headers: Headers) -> tuple[Any, Headers]:
        """Answer a v1 request."""
        return await self._v1(name, headers, lambda servable, headers: servable.predict(body, headers))

    async def explain(self, name: str, body: Any, headers: Headers) -> tuple[Any, Headers]:
        """Explain a v1 request."""
        return await self._v1(name, headers, lambda servable, headers: servable.explain(body, headers))

    async def _v1(
        self, name: str, headers: Headers, call: Callable[[Servable, Headers], Awaitable[tuple[Any, Headers]]]
    ) -> tuple[Any, Headers]:
        with Contexts() as request:
            request.enter(self._counted(name, None, "v1"))
            headers = request.enter(self._traced(name, "v1", headers))
            serving = request.enter(self.repository.lease(name))
            async with deadline(name, timeout_s({}, headers)):
                result, told = await call(serving.servable, headers)
            if isinstance(result, AsyncIterator):
                return held(result, request.moved()), told
            return result, told

    def _counted(self, name: str, version: str | None, protocol: str) -> AbstractContextManager[None]:
        return self.metrics.request(self._label(name), protocol, self.repository.work(name, version))

    def _traced(self, name: str, protocol: str, headers: Headers) -> AbstractContextManager[Headers]:
        if self.tracing is None:
            return nullcontext(headers)
        return self.tracing.request(self._label(name), protocol, headers)

    def _label(self, name: str) -> str:
        return name if self.repository.knows(name) else UNKNOWN

    async def index(self, ready_only: bool = False) -> list[IndexEntry]:
        """All known models with their states."""
        return await self._readiness.index(ready_only)

    async def load(self, name: str) -> None:
        """Load or reload a model.

        Raises:
            ServerNotReady: the server is on its way down.
        """
        if self.draining.is_set():
            raise ServerNotReady("It is shutting down.")
        await self.fleet.load(name)

    async def unload(self, name: str) -> None:
        """Unload a model."""
        await self.fleet.unload(name)

    async def load_at_start(self, names: list[str]) -> list[Exception]:
        """Try every model of the start, then be started; answers what failed, which the index tells as well.

        Raises:
            StartupError: not a model is at fault, but the server.
        """
        outcomes = await asyncio.gather(*(self.repository.load(name) for name in names), return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        for failure in failures:
            if isinstance(failure, StartupError):
                raise failure
        self._readiness.started = True
        return failures
