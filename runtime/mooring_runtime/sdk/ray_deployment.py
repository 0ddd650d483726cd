"""Deployments that a server deploys itself, and Ray for as long as it serves. Needs the extra `ray`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from mooring_runtime.errors import ModelLoadFailed, StartupError
from mooring_runtime.ray import RayModel, Session, in_words, off_the_loop


class DeployedModel(RayModel):
    """A deployment that is deployed when the server loads it, and deleted when it is unloaded.

    Args:
        name: The name to serve it by, and of Ray's application.
        target: A deployment, or one bound to the arguments of its constructor.
        session: The time that Ray runs for.
    """

    def __init__(self, name: str, target: Any, session: Session) -> None:
        super().__init__(name, None)
        self._session = session
        application = target.bind() if isinstance(target, serve.Deployment) else target
        self._target = serve.RunTarget(application, name=name, route_prefix=None)

    def _load(self) -> bool:
        if not self.ready:
            try:
                self._handle = self._session.during(self._deploy)
            except (RayError, RayServeException, RuntimeError) as exc:
                raise ModelLoadFailed(f"Ray Serve does not take it: {in_words(exc)}", "See Ray's logs.") from exc
        return super()._load()

    def _deploy(self) -> Any:
        self._session.deployed.add(self.name)
        return serve.run_many([self._target], wait_for_applications_running=False)[0]

    def stop(self) -> Any:
        """Delete Ray's application; returns when its replicas are gone."""
        return off_the_loop(self._delete)

    def _delete(self) -> None:
        serve.delete(self.name)
        self._session.deployed.discard(self.name)


@contextmanager
def cluster() -> Iterator[Session]:
    """Ray and Ray Serve for the block; what runs already is used, and left as it was. For the main thread alone: Linux
    ends what Ray starts with the thread that started it.

    Raises:
        StartupError: Ray cannot be started, or the cluster that $RAY_ADDRESS names cannot be reached.
    """
    begun, session = not ray.is_initialized(), Session()
    if begun:
        try:
            ray.init(include_dashboard=False)
        except (RayError, OSError, RuntimeError, ValueError) as exc:
            raise StartupError(f"Ray cannot be started: {exc}") from exc
    try:
        serve.start(proxy_location="Disabled")  # the way in is our server
        yield session
    finally:
        session.end()
        for name in session.deployed:  # what was still on its way
            serve.delete(name, _blocking=False)
        if begun:
            ray.shutdown()
