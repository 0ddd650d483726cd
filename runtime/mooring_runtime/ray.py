"""Models that Ray Serve runs: `RayModel` calls a deployment, `DeployedModel` deploys one too. Needs the extra `ray`.

The server stays in front: routes, gRPC, health, metrics and the latency line are its own; the model runs in Ray's
replicas (see `replica`), as many and on what share of a GPU as its `@serve.deployment` says.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mooring_runtime.eager import in_task
from mooring_runtime.errors import (
    ModelLoadFailed,
    ModelNotReady,
    QueueFull,
    ServingError,
    StartupError,
    in_our_words,
)
from mooring_runtime.model import InferenceVerb, Model
from mooring_runtime.replica import Answer
from mooring_runtime.servable import Headers

try:
    import ray
    from ray import serve
    from ray.exceptions import RayError, RayTaskError
    from ray.serve.exceptions import BackPressureError, RayServeException
    from ray.serve.schema import ApplicationStatus
except ModuleNotFoundError as exc:
    raise ImportError("Models on Ray Serve need Ray: pip install 'mooring[ray]'.") from exc

_POLL_S = 0.2
_GIVEN_UP = (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.DELETING)


class RayModel(Model):
    """A model that a deployment of Ray Serve runs; the deployment's class must be a `Model`.

    Args:
        name: The name to serve it by.
        handle: What `serve.run` answered.
    """

    def __init__(self, name: str, handle: Any) -> None:
        super().__init__(name)
        self._handle = handle

    def load(self) -> Any:
        """Wait until its replicas are ready; a model that is ready is loaded anew, in every replica.

        On an event loop it answers something to await, elsewhere it waits itself.

        Raises:
            ModelLoadFailed: Ray says that it cannot run.
        """
        return _off_the_loop(self._load)

    def _load(self) -> bool:
        try:
            if self.ready:
                self._handle.broadcast("replica_load").results()
            else:
                self._wait_until_running()
                self._handle.check_health.remote().result()
        except (RayError, RayServeException) as exc:
            raise ModelLoadFailed(_in_words(exc), "Its class must be a Model, and its load must succeed.") from exc
        self.ready = True
        return True

    def _wait_until_running(self) -> None:
        while True:
            application = serve.status().applications.get(self._handle.app_name)
            if application is None or application.status in _GIVEN_UP:
                raise _not_deployed(self._handle.app_name, "it is not there")
            if application.status == ApplicationStatus.RUNNING:
                return
            time.sleep(_POLL_S)

    def validate(self, payload: Any) -> Any:
        """The replica does it."""
        return payload

    async def timed_call(
        self, body: Any, headers: Headers | None, verb: InferenceVerb, stages: dict[str, float]
    ) -> tuple[Any, Headers]:
        """Ask a replica; handlers, verb, headers and pieces are as if the model were here.

        Raises:
            ServingError: what the replica raised, or ModelNotReady and QueueFull where none takes the request.
        """
        return await in_task(lambda: self._ask(body, dict(headers or {}), verb, stages))

    async def _ask(
        self, body: Any, headers: Headers, verb: InferenceVerb, stages: dict[str, float]
    ) -> tuple[Any, Headers]:
        streaming = self._handle.options(stream=True, method_name="replica_answers")
        pieces = self._pieces(streaming.remote(body, headers, verb, self.predictor_config))
        answer: Answer = await anext(pieces)
        stages.update(answer.stage_seconds)
        if answer.in_pieces:
            return pieces, answer.headers
        async for _ in pieces:  # to its end: a call that is left early counts as cancelled
            pass
        return answer.result, answer.headers

    async def _pieces(self, sent: Any) -> AsyncIterator[Any]:
        """What the replica sends; it stops working when nobody takes it any more."""
        ended = False
        try:
            async for piece in sent:
                yield piece
            ended = True
        except (RayError, RayServeException) as exc:
            ended = True
            raise self._refusal(exc) from exc
        finally:
            if not ended:
                sent.cancel()

    def _refusal(self, exc: Exception) -> ServingError:
        if isinstance(exc, RayTaskError):
            cause = exc.cause
            return cause if isinstance(cause, ServingError) else in_our_words(cause)
        if isinstance(exc, BackPressureError):
            return QueueFull(self.name, exc.args[1])
        return ModelNotReady(self.name, f"Ray Serve says: {_in_words(exc)}")

    async def get_input_types(self) -> Any:
        """As the model in the replica says."""
        return await self._handle.get_input_types.remote()

    async def get_output_types(self) -> Any:
        """As the model in the replica says."""
        return await self._handle.get_output_types.remote()


class DeployedModel(RayModel):
    """A deployment that is deployed when the server loads it, and deleted when it is unloaded.

    Args:
        name: The name to serve it by, and of Ray's application.
        target: A deployment, or one bound to the arguments of its constructor.
    """

    def __init__(self, name: str, target: Any) -> None:
        super().__init__(name, None)
        self._application = target.bind() if isinstance(target, serve.Deployment) else target

    def _load(self) -> bool:
        if not self.ready:
            try:
                self._handle = serve.run(self._application, name=self.name, route_prefix=None)
            except (RayError, RayServeException, RuntimeError) as exc:
                raise _not_deployed(self.name, _in_words(exc)) from exc
        return super()._load()

    def stop(self) -> Any:
        """Delete Ray's application; returns when its replicas are gone."""
        return _off_the_loop(lambda: serve.delete(self.name))


@contextmanager
def cluster() -> Iterator[None]:
    """Ray and Ray Serve for the block; what runs already is used, and left as it was. For the main thread alone: Linux
    ends what Ray starts with the thread that started it.

    Raises:
        StartupError: Ray cannot be started, or the cluster that $RAY_ADDRESS names cannot be reached.
    """
    begun = not ray.is_initialized()
    if begun:
        try:
            ray.init(include_dashboard=False)
        except (RayError, OSError, RuntimeError, ValueError) as exc:
            raise StartupError(f"Ray cannot be started: {exc}") from exc
    try:
        serve.start(proxy_location="Disabled")  # the way in is our server
        yield
    finally:
        if begun:
            ray.shutdown()


def _off_the_loop(work: Callable[[], Any]) -> Any:
    """`work()`; on an event loop, where Ray's blocking calls are not allowed, a future of it in a thread."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return work()
    return loop.run_in_executor(None, work)


def _not_deployed(application: str, reason: str) -> ModelLoadFailed:
    """What Ray says of the application's deployments; `reason` where it says nothing."""
    status = serve.status().applications.get(application)
    told = [each.message for each in status.deployments.values() if each.message] if status else []
    return ModelLoadFailed(f"Ray Serve does not run {application}: {' '.join(told) or reason}", "See Ray's logs.")


def _in_words(exc: Exception) -> str:
    if isinstance(exc, RayTaskError):
        return f"{type(exc.cause).__name__} : {exc.cause}"
    return str(getattr(exc, "message", exc))
