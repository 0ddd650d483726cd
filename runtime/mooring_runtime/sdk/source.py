"""The registry that opens models of user code."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext

from mooring_runtime.errors import ModelLoadFailed, ModelNotFound
from mooring_runtime.lanes.threads import Cores
from mooring_runtime.metrics import Metrics
from mooring_runtime.model import Model
from mooring_runtime.model_repository import ModelRepository, repository_of
from mooring_runtime.registry.servable import Servable
from mooring_runtime.sdk.eager import awaited
from mooring_runtime.sdk.model_thread import ModelThread
from mooring_runtime.sdk.servable import SdkServable


class RegisteredModels:
    """Opens models that user code made; a load request calls their `load`.

    Args:
        models: The program's.
        max_waiting: Requests that may wait for each of them.
        metrics: Where what they do is counted.
        executor_threads: Threads of each model's default executor; None is KServe's number.
        concurrency: Sync handlers of a model that may run at once.
        cores: What those share.
    """

    versioned = False

    def __init__(
        self,
        models: ModelRepository | Mapping[str, Model] | Iterable[Model],
        max_waiting: int,
        metrics: Metrics,
        executor_threads: int | None = None,
        concurrency: int = 1,
        cores: Cores | None = None,
    ) -> None:
        self._repository = repository_of(models)
        self._max_waiting = max_waiting
        self._metrics = metrics
        self._executor_threads = executor_threads
        self._concurrency = concurrency
        self._busy = nullcontext if cores is None else cores.shared
        self._open: dict[str, SdkServable] = {}

    async def open(self, name: str) -> Servable:
        """Start the model; load it when it is not ready yet, or is loaded anew.

        Raises:
            ModelNotFound: nobody registered it, and the repository makes none of that name.
            ModelLoadFailed: it still is not ready after `load`.
        """
        servable = self._open.get(name)
        if servable is not None and servable.closed:
            servable = None
        if self._repository.makes_models and (servable is not None or self._repository.get_model(name) is None):
            servable = await self._make(name)
        elif servable is not None:
            await servable.reload()
        else:
            servable = self._new(name, self._thread(name))
            await servable.start()
        if not servable.model.ready:
            raise ModelLoadFailed(f"Model with name {name} is not ready.", "Its load must set self.ready = True.")
        self._open[name] = servable
        return servable

    async def _make(self, name: str) -> SdkServable:
        """Let the user's repository make the model; on the thread that will run it."""
        thread = self._thread(name)

        async def load() -> None:
            await awaited(self._repository.load(name))

        try:
            await thread.run(load)
            servable = self._new(name, thread)
            await servable.start()
        except BaseException:
            thread.close()
            raise
        return servable

    def _thread(self, name: str) -> ModelThread:
        return ModelThread(name, self._max_waiting, self._executor_threads, self._concurrency, self._busy)

    def _new(self, name: str, thread: ModelThread) -> SdkServable:
        model = self._repository.get_model(name)
        if model is None:
            thread.close()
            raise ModelNotFound(name)
        return SdkServable(model, thread, self._metrics, lambda: self._let_go(name, model))

    def _let_go(self, name: str, model: Model) -> None:
        """What can be made again is not kept; what the program registered is, for the next load."""
        if self._repository.makes_models and self._repository.get_model(name) is model:
            self._repository.unload(name)
