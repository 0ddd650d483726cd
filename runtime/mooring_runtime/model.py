"""`Model`: what a user writes. Names, arguments and order of the handlers are KServe's."""

import inspect
from enum import Enum
from time import perf_counter
from typing import Any

from mooring_runtime.errors import InvalidInput, NotSupported
from mooring_runtime.infer_type import InferRequest
from mooring_runtime.servable import Headers


class InferenceVerb(Enum):
    """What a call asks of a model."""

    EXPLAIN = 1
    PREDICT = 2


class Model:
    """Base class of user models; override what you need, sync or async.

    A request runs `preprocess`, `validate`, then `predict` (or `explain`), then `postprocess`, all in a thread of the
    model's own: sync handlers never overlap, async ones do where they await. v1 requests hand over the decoded body
    (dict), v2 and gRPC an `InferRequest`.

    Args:
        name: The model's name in URLs.
        return_response_headers: Whether `predict` and `postprocess` get a third argument, a dict of headers to send.
    """

    def __init__(self, name: str, return_response_headers: bool = False) -> None:
        self.name = name
        self.ready = False
        self.required_response_headers = return_response_headers
        self.stage_seconds: dict[str, float] = {}
        """Time that the last request took in each handler."""

    def load(self) -> Any:
        """Load what the model needs and set `ready`; called again on a load request."""
        self.ready = True
        return self.ready

    def start(self) -> Any:
        """Called once before the first request."""

    def stop(self) -> Any:
        """Called once after the last request."""

    async def healthy(self) -> bool:
        """Whether the model can answer."""
        return self.ready

    def preprocess(self, payload: Any, headers: Headers | None = None) -> Any:
        """Turn the request into what `predict` takes; the request itself by default."""
        return payload

    def validate(self, payload: Any) -> Any:
        """Check a v1 body after `preprocess`.

        Raises:
            InvalidInput: `instances` is there and no list.
        """
        if isinstance(payload, dict) and "instances" in payload and not isinstance(payload["instances"], list):
            raise InvalidInput('Expected "instances" to be a list')
        return payload

    def predict(self, payload: Any, headers: Headers | None = None, response_headers: Headers | None = None) -> Any:
        """Compute the answer: a dict for v1, an `InferResponse` for v2.

        Raises:
            NotSupported: the model does not override it.
        """
        raise NotSupported(f"Model with name {self.name} does not implement predict.")

    def explain(self, payload: Any, headers: Headers | None = None) -> Any:
        """Explain the answer.

        Raises:
            NotSupported: the model does not override it.
        """
        raise NotSupported(f"Model with name {self.name} does not implement explain.")

    def postprocess(self, result: Any, headers: Headers | None = None, response_headers: Headers | None = None) -> Any:
        """Turn what `predict` answered into the response; that itself by default."""
        return result

    def get_input_types(self) -> Any:
        """Inputs for the metadata: dicts with name, datatype, shape."""
        return []

    def get_output_types(self) -> Any:
        """Outputs for the metadata: dicts with name, datatype, shape."""
        return []

    async def __call__(
        self, body: Any, headers: Headers | None = None, verb: InferenceVerb = InferenceVerb.PREDICT
    ) -> tuple[Any, Headers]:
        """Answer one request, and name headers to send with the answer."""
        response_headers: Headers = {}
        extra = (response_headers,) if self.required_response_headers else ()
        payload = await self._stage("preprocess", self.preprocess, body, headers)
        payload = payload if isinstance(payload, InferRequest) else self.validate(payload)
        if verb is InferenceVerb.EXPLAIN:
            return await self._stage("explain", self.explain, payload, headers), response_headers
        result = await self._stage("predict", self.predict, payload, headers, *extra)
        return await self._stage("postprocess", self.postprocess, result, headers, *extra), response_headers

    async def _stage(self, name: str, handler: Any, *args: Any) -> Any:
        started = perf_counter()
        try:
            return await awaited(handler(*args))
        finally:
            self.stage_seconds[name] = perf_counter() - started


async def awaited(result: Any) -> Any:
    """What a handler answered, whether it was sync or async."""
    return await result if inspect.isawaitable(result) else result
