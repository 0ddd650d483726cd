"""Models that Ray Serve runs: `RayModel` calls a deployment; `ray_deployment` makes them. Needs the extra `ray`.

The server stays in front: routes, gRPC, health, metrics and the latency line are its own; the model runs in Ray's
replicas (see `replica`), as many and on what share of a GPU as its `@serve.deployment` says.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from mooring_runtime.errors import (
    ModelLoadFailed,
    ModelNotReady,
    QueueFull,
    ServingError,
    in_our_words,
)
from mooring_runtime.model import InferenceVerb, Model
from mooring_runtime.registry.servable import Headers
from mooring_runtime.sdk.eager import in_task
from mooring_runtime.sdk.replica import Answer

try:
    import ray
    from ray import serve
    from ray.exceptions import RayError, RayTaskError
    from ray.serve.exceptions import BackPressureError, RayServeException
    from ray.serve.schema import ApplicationStatus
except ModuleNotFoundError as exc:
    raise ImportError("Models on Ray Serve need Ray: pip install 'mooring[ray]'.") from exc

T = TypeVar("T")

_POLL_S = 0.2
_GIVEN_UP = (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.DELETING)


class Session:
    """The time that Ray runs for a server. Ray starts anew for a call that comes after its end, so none may.

    Attributes:
        deployed: Names of the applications that the server has deployed and not deleted yet.
    """

    def __init__(self) -> None:
        self.deployed: set[str] = set()
        self._lock = threading.Lock()
        self._ended = False

    def during(self, call: Callable[[], T]) -> T:
        """`call()`, from any thread; the end waits for it.

        Raises:
            ModelLoadFailed: Ray has ended.
        """
        with self._lock:
            if self._ended or not ray.is_initialized():
                raise ModelLoadFailed("Ray has ended.", "Start the server anew.")
            return call()

    def end(self) -> None:
        """No call any more."""
        with self._lock:
            self._ended = True


class RayModel(Model):
    """A model that a deployment of Ray Serve runs; the deployment's class must be a `Model`.

    Args:
        name: The name to serve it by.
        handle: What `serve.run` answered.
    """

    def __init__(self, name: str, handle: Any) -> None:
        super().__init__(name)
        self._handle = handle
        self._session = Session()

    def load(self) -> Any:
        """Wait until its replicas are ready; a model that is ready is loaded anew, in every replica.

        On an event loop it answers something to await, elsewhere it waits itself.

        Raises:
            ModelLoadFailed: Ray says that it cannot run.
        """
        return off_the_loop(self._load)

    def _load(self) -> bool:
        try:
            if self.ready:
                self._handle.broadcast("replica_load").results()
            else:
                self._wait_until_running()
                self._handle.check_health.remote().result()
        except (RayError, RayServeException) as exc:
            raise ModelLoadFailed(in_words(exc), "Its class must be a Model, and its load must succeed.") from exc
        self.ready = True
        return True

    def _wait_until_running(self) -> None:
        while True:
            application = self._session.during(serve.status).applications.get(self._handle.app_name)
            if application is None or application.status in _GIVEN_UP:
                raise _not_deployed(self._handle.app_name, application)
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
        return ModelNotReady(self.name, f"Ray Serve says: {in_words(exc)}")

    async def get_input_types(self) -> Any:
        """As the model in the replica says."""
        return await self._handle.get_input_types.remote()

    async def get_output_types(self) -> Any:
        """As the model in the replica says."""
        return await self._handle.get_output_types.remote()


def off_the_loop(work: Callable[[], Any]) -> Any:
    """`work()`; on an event loop, where Ray's blocking calls are not allowed, a future of it in a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    done: Future[Any] = Future()

    def run() -> None:
        done.set_running_or_notify_cancel()
        try:
            done.set_result(work())
        except BaseException as exc:  # whoever awaits it gets it
            done.set_exception(exc)

    # A daemon, which no executor has: a program ends although a replica never is ready.
    threading.Thread(target=run, name="ray", daemon=True).start()
    return asyncio.wrap_future(done)


def _not_deployed(name: str, application: Any) -> ModelLoadFailed:
    """What Ray says of the application's deployments, or of itself."""
    if application is None:
        return ModelLoadFailed(f"Ray Serve has no application {name}.", "Was it deleted?")
    told = [each.message for each in application.deployments.values() if each.message] or [application.message]
    return ModelLoadFailed(f"Ray Serve does not run {name}: {' '.join(told)}", "See Ray's logs.")


def in_words(exc: Exception) -> str:
    """What Ray or Ray Serve says went wrong."""
    if isinstance(exc, RayTaskError):
        return f"{type(exc.cause).__name__} : {exc.cause}"
    return str(getattr(exc, "message", exc))
