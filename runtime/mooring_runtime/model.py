"""`Model`: what a user writes. Names, arguments and order of the handlers are KServe's."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from enum import Enum
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any

from mooring_runtime.errors import InvalidInput, NotSupported
from mooring_runtime.infer_type import InferRequest
from mooring_runtime.predictor_config import PredictorConfig, PredictorProtocol
from mooring_runtime.registry.servable import Headers
from mooring_runtime.sdk.eager import awaited
from mooring_runtime.sdk.predictor import Predictor

if TYPE_CHECKING:
    from mooring_runtime.sdk.replica import Replica

__all__ = [
    "BaseKServeModel",
    "InferRequest",
    "InferenceModel",
    "InferenceVerb",
    "Model",
    "PredictorConfig",
    "PredictorProtocol",
]


class InferenceVerb(Enum):
    """What a call asks of a model."""

    EXPLAIN = 1
    PREDICT = 2


class Model:
    """Base class of user models; override what you need, sync or async.

    A request runs `preprocess`, `validate`, then `predict` (or `explain`), then `postprocess`, all in a thread of the
    model's own: sync handlers never overlap, async ones do where they await. v1 requests hand over the decoded body
    (dict), v2 and gRPC an `InferRequest`.

    A handler may be a generator, sync or async: what it yields goes to the client piece by piece.

    Args:
        name: The model's name in URLs.
        return_response_headers: Whether `predict` and `postprocess` get a third argument, a dict of headers to send.
        predictor_config: The predictor that this model stands in front of; the server's own flags when None.
    """

    engine = False
    """Whether the server calls `start_engine` as well."""
    explainer_host: str | None = None
    """HOST[:PORT] of the explainer that `explain` calls."""
    enable_latency_logging = False
    """Whether each request logs what its handlers took; the server sets it by its flag of the same name."""
    predictor_config: PredictorConfig | None = None

    def __init__(
        self, name: str, return_response_headers: bool = False, predictor_config: PredictorConfig | None = None
    ) -> None:
        self.name = name
        self.ready = False
        self.required_response_headers = return_response_headers
        if predictor_config is not None:
            self.predictor_config = predictor_config
        self._predictor: Predictor | None = None

    def load(self) -> Any:
        """Load what the model needs and set `ready`; called again on a load request."""
        self.ready = True
        return self.ready

    def start(self) -> Any:
        """Called once before the first request."""

    async def start_engine(self) -> Any:
        """Called once after `start`, on the model's loop, where `engine` is true."""

    def stop(self) -> Any:
        """Called once after the last request."""

    def stop_engine(self) -> Any:
        """Called once after `stop`, where `engine` is true."""

    async def healthy(self) -> bool:
        """Whether the model can answer; where the server was told to ask, its predictor must be ready too."""
        config = self.predictor_config
        if self.ready and config is not None and config.predictor_health_check and config.predictor_host:
            return await self._remote(config).is_ready()
        return self.ready

    def preprocess(self, payload: Any, headers: Headers | None = None) -> Any:
        """Turn the request into what `predict` takes; the request itself by default."""
        return payload

    def validate(self, payload: Any) -> Any:
        """Check a body after `preprocess`.

        Raises:
            InvalidInput: `instances` (or, in front of a v2 predictor, `inputs`) is there and no list.
        """
        protocol = self.predictor_config.predictor_protocol if self.predictor_config else PredictorProtocol.REST_V1
        field = "instances" if protocol == PredictorProtocol.REST_V1 else "inputs"
        if isinstance(payload, dict) and field in payload and not isinstance(payload[field], list):
            raise InvalidInput(f'Expected "{field}" to be a list')
        return payload

    async def predict(
        self, payload: Any, headers: Headers | None = None, response_headers: Headers | None = None
    ) -> Any:
        """Compute the answer: a dict for v1, an `InferResponse` for v2. Not overridden, it asks the predictor.

        Raises:
            NotSupported: there is no predictor.
            ServingError: what the predictor says, see `predictor.Predictor`.
        """
        config = self.predictor_config
        if config is None or not config.predictor_host:
            raise NotSupported(
                f"Could not find predictor_host. Model {self.name} has no predict of its own: "
                "write one, or name a predictor with --predictor_host."
            )
        return await self._remote(config).predict(payload, headers, response_headers)

    async def explain(self, payload: Any, headers: Headers | None = None) -> Any:
        """Explain the answer. Not overridden, it asks the explainer.

        Raises:
            NotSupported: there is no explainer.
            ServingError: what the explainer says.
        """
        if not self.explainer_host:
            raise NotSupported(
                f"Could not find explainer_host. Model {self.name} has no explain of its own: "
                "write one, or set explainer_host."
            )
        return await self._remote(self.predictor_config or PredictorConfig()).explain(
            self.explainer_host, payload, headers
        )

    def _remote(self, config: PredictorConfig) -> Predictor:
        if self._predictor is None:
            self._predictor = Predictor(self.name, config)
        return self._predictor

    def postprocess(self, result: Any, headers: Headers | None = None, response_headers: Headers | None = None) -> Any:
        """Turn what `predict` answered into the response; that itself by default."""
        return result

    def get_input_types(self) -> Any:
        """Inputs for the metadata: dicts with name, datatype, shape."""
        return []

    def get_output_types(self) -> Any:
        """Outputs for the metadata: dicts with name, datatype, shape and, where an output scores classes, labels."""
        return []

    async def __call__(
        self, body: Any, headers: Headers | None = None, verb: InferenceVerb = InferenceVerb.PREDICT
    ) -> tuple[Any, Headers]:
        """Answer one request, and name headers to send with the answer."""
        return await self.timed_call(body, headers, verb, {})

    async def timed_call(
        self, body: Any, headers: Headers | None, verb: InferenceVerb, stages: dict[str, float]
    ) -> tuple[Any, Headers]:
        """As calling the model; into `stages` goes how long each handler took, in seconds."""
        response_headers: Headers = {}
        extra = (response_headers,) if self.required_response_headers else ()
        stage, began = "preprocess", perf_counter()
        try:
            payload = await awaited(self.preprocess(body, headers))
            stages[stage] = perf_counter() - began
            payload = payload if isinstance(payload, InferRequest) else await awaited(self.validate(payload))
            if verb is InferenceVerb.EXPLAIN:
                stage, began = "explain", perf_counter()
                return await awaited(self.explain(payload, headers)), response_headers
            stage, began = "predict", perf_counter()
            result = await awaited(self.predict(payload, headers, *extra))
            stages[stage] = perf_counter() - began
            stage, began = "postprocess", perf_counter()
            return await awaited(self.postprocess(result, headers, *extra)), response_headers
        finally:
            stages.setdefault(stage, perf_counter() - began)

    @cached_property
    def _replica(self) -> "Replica":
        """This model as Ray Serve runs it; made where Ray Serve does, nowhere else."""
        from mooring_runtime.sdk.replica import Replica  # which needs this module

        return Replica(self)

    async def check_health(self) -> None:
        """Ray Serve asks this of each replica, first before its first request; see `replica`."""
        await self._replica.begin()

    async def replica_load(self) -> None:
        """Load anew, in a replica; see `replica`."""
        await self._replica.load()

    async def replica_answers(self, *call: Any) -> AsyncIterator[Any]:
        """Answer one request in a replica; see `replica`."""
        async with aclosing(self._replica.answers(*call)) as answers:
            async for answer in answers:
                yield answer


BaseKServeModel = Model
InferenceModel = Model
"""KServe has two more classes below its `Model`; one does here."""
