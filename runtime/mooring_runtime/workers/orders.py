"""What one worker is asked for and all must do: carried out everywhere before the answer, in the same order everywhere.

A load is tried in the worker that was asked before the others hear of it, so one that fails there changes nothing.
"""

import asyncio
from collections.abc import Iterable
from typing import Any
from weakref import WeakValueDictionary

from mooring_runtime.errors import ModelLoadFailed, ModelNotFound
from mooring_runtime.logging import logger
from mooring_runtime.telemetry.log_settings import LogSettings
from mooring_runtime.workers.channel import ChannelClosed
from mooring_runtime.workers.messages import error_to_wire
from mooring_runtime.workers.worker import Worker


class Orders:
    """The workers that take orders, and what they serve: a worker that comes later serves the same.

    Attributes:
        members: Workers that have begun, and live.
    """

    def __init__(self) -> None:
        self.members: list[Worker] = []
        self._begun = False
        self._served: dict[str, int] = {}
        """Models by name, with the number of their last load."""
        self._failed: dict[str, list[str]] = {}
        """The last load of each model whose last load failed: every worker's index tells of it."""
        self._log_settings: dict[str, Any] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def answer(self, worker: Worker, verb: str, arguments: list[Any]) -> Any:
        """Carry out what `worker` asks for."""
        match verb, arguments:
            case "begin", [names]:
                return self._begin(worker, names)
            case "load", [name]:
                async with self._lock(name):
                    return await self._load_and_tell(worker, name)
            case "unload", [name]:
                async with self._lock(name):
                    return await self._unload(name)
            case "log", [changes]:
                return await self._log(worker, changes)
            case "statistics", []:
                outcomes = await _all(self.members, "statistics")
                return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        raise LookupError(f"no order {verb} with {len(arguments)} arguments")

    def gone(self, worker: Worker) -> None:
        """It takes no orders any more."""
        if worker in self.members:
            self.members.remove(worker)

    def _lock(self, name: str) -> asyncio.Lock:
        """Orders about one model follow one another; the lock lives as long as somebody holds or awaits it."""
        return self._locks.setdefault(name, asyncio.Lock())

    def _begin(self, worker: Worker, names: list[str]) -> dict[str, Any]:
        """What `worker` is to load: what the first one found. From here on it gets every order, without a gap."""
        if not self._begun:
            self._begun, self._served = True, dict.fromkeys(names, 1)
        self.members.append(worker)
        return {"models": self._served, "failed": self._failed, "log_settings": self._log_settings}

    async def _load_and_tell(self, asked: Worker, name: str) -> int:
        try:
            number = await self._load(asked, name)
        except ModelLoadFailed as exc:
            self._failed[name] = error_to_wire(exc)
            await _all(self.members, "failed", name, self._failed[name])
            raise
        self._failed.pop(name, None)
        return number

    async def _load(self, asked: Worker, name: str) -> int:
        number: int = await asked.call("load", name, None)
        told, failed = [asked], []
        while late := [worker for worker in self.members if worker not in told]:
            told += late
            outcomes = zip(late, await _all(late, "load", name, number), strict=True)
            failed += [(worker, outcome) for worker, outcome in outcomes if isinstance(outcome, BaseException)]
        if not failed:
            self._served[name] = number
            return number
        if name in self._served:
            self._served[name] = number
            self._replace(worker for worker, _ in failed)
        else:
            await _all(self.members, "unload", name)
        raise _partly(name, len(failed), len(told), failed[0][1])

    def _replace(self, workers: Iterable[Worker]) -> None:
        """Have workers that could not go along drain and end; those in their place begin with what the others serve."""
        for worker in workers:
            logger.warning("Worker %d (%d) is replaced: the others serve a newer model", worker.index, worker.pid)
            worker.retire()

    async def _unload(self, name: str) -> None:
        known = self._served.pop(name, None) is not None
        self._failed.pop(name, None)
        outcomes = await _all(self.members, "unload", name)
        if not known and all(isinstance(outcome, ModelNotFound) for outcome in outcomes):
            raise ModelNotFound(name)

    async def _log(self, asked: Worker, changes: dict[str, Any]) -> LogSettings:
        settings: LogSettings = await asked.call("log", changes)
        self._log_settings |= changes
        await _all([worker for worker in self.members if worker is not asked], "log", changes)
        return settings


async def _all(workers: Iterable[Worker], verb: str, *arguments: Any) -> list[Any]:
    """What each answered, or how it failed."""
    return await asyncio.gather(*(worker.call(verb, *arguments) for worker in workers), return_exceptions=True)


def _partly(name: str, failed: int, told: int, error: BaseException) -> ModelLoadFailed:
    reason = "the process ended" if isinstance(error, ChannelClosed) else str(error)
    return ModelLoadFailed(
        f"Model with name {name} could not be loaded in {failed} of {told} workers: {reason}.",
        "See the server's log, and whether the memory is enough for all workers.",
    )
