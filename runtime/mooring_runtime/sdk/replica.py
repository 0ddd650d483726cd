"""A user's model in a replica of Ray Serve, run as the server runs one of its own. Knows nothing of Ray.

Ray calls methods of the user's class by name: `Model` has three that come here, and `ray.RayModel` is who calls them.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from mooring_runtime.errors import ModelLoadFailed
from mooring_runtime.model import InferenceVerb, Model
from mooring_runtime.predictor_config import PredictorConfig
from mooring_runtime.registry.servable import Headers
from mooring_runtime.sdk.eager import awaited
from mooring_runtime.sdk.model_thread import ModelThread
from mooring_runtime.sdk.servable import called, in_pieces


@dataclass(frozen=True)
class Answer:
    """What a call came to; the first that a replica sends."""

    result: Any
    """None where pieces follow."""
    headers: Headers
    """To send with the answer."""
    stage_seconds: dict[str, float]
    """How long each handler took."""
    in_pieces: bool


class Replica:
    """One model on a thread of its own, so that Ray's questions are answered while a handler is busy."""

    def __init__(self, model: Model) -> None:
        self._model = model
        # Ray holds back what is too much: max_ongoing_requests, max_queued_requests.
        self._thread = ModelThread(model.name, max_waiting=sys.maxsize)
        self._begun = False
        self._lock = asyncio.Lock()

    async def begin(self) -> None:
        """Start the model, and load it where its constructor did not; once.

        Raises:
            ModelLoadFailed: it still is not ready. Ray then gives the replica up.
        """
        async with self._lock:
            if self._begun:
                return
            await self._thread.run(self._start)
            if not self._model.ready:
                await self._load()
            self._begun = True

    async def load(self) -> None:
        """Load the model anew.

        Raises:
            ModelLoadFailed: it is not ready after that.
        """
        async with self._lock:
            await self._load()

    async def _start(self) -> None:
        await awaited(self._model.start())
        if self._model.engine:
            await awaited(self._model.start_engine())

    async def _load(self) -> None:
        async def load() -> None:
            await awaited(self._model.load())

        await self._thread.run(load)
        if not self._model.ready:
            name = self._model.name
            raise ModelLoadFailed(f"Model with name {name} is not ready.", "Its load must set self.ready = True.")

    async def answers(
        self, body: Any, headers: Headers, verb: InferenceVerb, predictor: PredictorConfig | None
    ) -> AsyncGenerator[Any, None]:
        """Answer one request: first an `Answer`, then the pieces, if that says so.

        Args:
            body: A v1 body, or an InferRequest.
            headers: The client's.
            verb: What is asked.
            predictor: What the model stands in front of, by the flags of the server that the client called.

        Raises:
            ServingError: as `servable.called`.
        """
        await self.begin()  # a class with a check_health of its own
        if self._model.predictor_config is None:
            self._model.predictor_config = predictor
        stages: dict[str, float] = {}
        result, told = await self._thread.run_eagerly(lambda: called(self._model, body, headers, verb, stages))
        pieces = in_pieces(self._thread, result)
        yield Answer(result if pieces is None else None, told, stages, pieces is not None)
        if pieces is not None:
            async for piece in pieces:
                yield piece
