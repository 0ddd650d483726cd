"""What this agent tells the operator: one document with a revision, and waiting for the next one."""

import asyncio
from collections.abc import Callable, Mapping

from mooring_api.agent_status import AgentModel, AgentStatus, ModelState

_GATHER_S = 0.03
"""After the first change, so that a burst of changes (500 models at start) wakes a waiting reader once."""


class Board:
    """The models' latest states. `progress` gives bytes done and total of a model that is being fetched."""

    def __init__(self, instance: str, progress: Callable[[str], tuple[int, int | None] | None]) -> None:
        self._instance = instance
        self._progress = progress
        self._models: dict[str, AgentModel] = {}
        self._changed = asyncio.Condition()
        self._revision = 0
        self._wakers: set[asyncio.Task[None]] = set()
        self.config_digest: str | None = None
        self.config_error: str | None = None
        self.is_runtime_ready = False

    @property
    def models(self) -> Mapping[str, AgentModel]:
        """The latest state of every model by name."""
        return self._models

    def put(self, model: AgentModel) -> None:
        """Note a model's new state."""
        if self._models.get(model.name) != model:
            self._models[model.name] = model
            self.touch()

    def drop(self, name: str) -> None:
        """Forget a model that is gone."""
        if self._models.pop(name, None) is not None:
            self.touch()

    def touch(self) -> None:
        """The document changed: count it and wake who waits. Must be called in the event loop."""
        self._revision += 1
        task = asyncio.get_running_loop().create_task(self._wake())
        self._wakers.add(task)
        task.add_done_callback(self._wakers.discard)

    async def wait_beyond(self, revision: int, timeout_s: float) -> None:
        """Return once the revision differs from `revision`, or after `timeout_s`."""
        if self._revision != revision:
            return
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self._revision != revision)
        except TimeoutError:
            return
        await asyncio.sleep(_GATHER_S)

    def document(self) -> AgentStatus:
        """The document as it is now."""
        models = tuple(self._with_progress(self._models[name]) for name in sorted(self._models))
        return AgentStatus(
            revision=self._revision,
            instance=self._instance,
            config_digest=self.config_digest,
            config_error=self.config_error,
            runtime_ready=self.is_runtime_ready,
            models=models,
        )

    def _with_progress(self, model: AgentModel) -> AgentModel:
        progress = self._progress(model.name)
        if progress is None or model.state is not ModelState.DOWNLOADING:
            return model
        done, total = progress
        return model.model_copy(update={"bytes_done": done, "bytes_total": total})

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()
