"""Keeps the pod's models as the list says: one worker task per model, rung by a new list or by what the server lost."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable

from mooring_agent.config_source import ModelList
from mooring_agent.disk import Disk, Recovered
from mooring_agent.errors import ConfigUnreadable, StorageError
from mooring_agent.life import Life
from mooring_agent.metrics import Metrics
from mooring_agent.plan import Observed, Step, plan
from mooring_agent.runtime_client import RuntimeClient
from mooring_agent.runtime_watch import RuntimeWatch
from mooring_agent.settings import Settings
from mooring_agent.status import Board
from mooring_agent.steps import Tools
from mooring_agent.storage import Storage
from mooring_agent.worker import Worker
from mooring_api import model_config
from mooring_api.agent_status import ModelState
from mooring_api.v1alpha1 import ModelSpec

_log = logging.getLogger(__name__)


class Sync:
    """The reconciler of one pod."""

    def __init__(
        self, settings: Settings, client: RuntimeClient, storage: Storage, metrics: Metrics, instance: str
    ) -> None:
        self.board = Board(instance, self._progress)
        self.watch = RuntimeWatch(client, self._loaded, self._lose, self._runtime_changed)
        self.metrics = metrics
        self._disk = Disk(settings.model_dir)
        self._workers: dict[str, Worker] = {}
        self._recovered: dict[str, Recovered] = {}
        self._first: frozenset[str] | None = None
        self._tools = Tools(
            disk=self._disk,
            storage=storage,
            client=client,
            watch=self.watch,
            board=self.board,
            metrics=metrics,
            backoff=settings.backoff,
            load_timeout_s=settings.load_timeout_s,
            downloads=asyncio.Semaphore(settings.max_downloads),
            loads=asyncio.Semaphore(settings.max_loads),
        )

    @property
    def was_attempted(self) -> bool:
        """Whether each model of the first list was tried at least once (or is not wanted any more)."""
        if self._first is None:
            return False
        workers = (self._workers.get(name) for name in self._first)
        return all(worker is None or worker.life.was_attempted for worker in workers)

    async def run(self, lists: AsyncIterator[ModelList | ConfigUnreadable]) -> None:
        """Follow `lists` until cancelled."""
        self._recovered = await asyncio.to_thread(self._disk.recover)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watch.run())
            group.create_task(self._warm())
            async for newest in lists:
                if isinstance(newest, ModelList):
                    self._follow(newest, group)
                else:
                    self._note_config(None, str(newest))
                    _log.error("Failed to read the model list: %s", newest)

    async def _warm(self) -> None:
        try:
            await self._tools.storage.warm()
        except StorageError as exc:
            _log.warning("Cannot prepare the storage client: %s", exc)

    def _follow(self, newest: ModelList, group: asyncio.TaskGroup) -> None:
        desired = {entry.model_name: entry.model_spec for entry in newest.entries}
        observed = {name: recovered.seen for name, recovered in self._recovered.items()}
        observed |= {name: worker.seen for name, worker in self._workers.items()}
        versions = {name: model_config.download_id(spec) for name, spec in desired.items()}
        for name, step in plan(versions, observed).items():
            worker = self._workers.get(name)
            if worker is None and step is not Step.FORGET:
                worker = self._start(name, desired.get(name), group)
            if worker is not None:
                worker.want(desired.get(name))
        self._recovered = {}
        self._first = self._first if self._first is not None else frozenset(desired)
        self._note_config(newest.digest, None)

    def _start(self, name: str, spec: ModelSpec | None, group: asyncio.TaskGroup) -> Worker:
        recovered = self._recovered.get(name)
        seen = recovered.seen if recovered else Observed()
        life = Life(name, seen, spec, last_spec=spec or (recovered.spec if recovered else None))
        worker = Worker(life, self._tools)
        self.board.put(life.described(ModelState.PENDING if spec else ModelState.UNLOADING))
        self._workers[name] = worker
        group.create_task(self._work(worker))
        return worker

    async def _work(self, worker: Worker) -> None:
        await worker.run()
        del self._workers[worker.life.name]  # no await since the worker found nothing left: nobody rang in between

    def _note_config(self, digest: str | None, error: str | None) -> None:
        self.board.config_digest = digest or self.board.config_digest
        self.board.config_error = error
        self.metrics.config_is_valid.set(error is None)
        self.board.touch()

    def _progress(self, name: str) -> tuple[int, int | None] | None:
        worker = self._workers.get(name)
        folder = worker.life.folder if worker else None
        return (folder.bytes_done, folder.bytes_total) if folder else None

    def _loaded(self) -> Collection[str]:
        return [name for name, worker in self._workers.items() if worker.seen.loaded is not None]

    def _lose(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self._workers:
                self._workers[name].lose()

    def _runtime_changed(self) -> None:
        self.board.is_runtime_ready = self.watch.is_ready
        self.board.touch()
