"""The worker's side: one of a fleet."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.errors import ServerNotReady, StartupError
from mooring_runtime.fleet import Alone
from mooring_runtime.logging import logger
from mooring_runtime.telemetry.log_settings import LogSettings
from mooring_runtime.telemetry.statistics import ModelStatistics, merged, statistics_of
from mooring_runtime.workers import metrics_files
from mooring_runtime.workers.channel import Channel, ChannelClosed
from mooring_runtime.workers.messages import Beat, Message, Whole, error_from_wire
from mooring_runtime.workers.place import Place

BEAT_S = 0.25


class Member:
    """A `fleet.Fleet`: what is asked of it goes by the supervisor to all workers, this one too."""

    def __init__(self, channel: Channel, here: Alone) -> None:
        self._channel = channel
        self._here = here
        self._lacking = "Other workers are starting."

    def lacking(self) -> str:
        """As the supervisor said last."""
        return self._lacking

    async def load(self, name: str) -> int:
        """Load everywhere, or nowhere."""
        number: int = await self._ask("load", name)
        return number

    async def unload(self, name: str) -> None:
        """Unload everywhere."""
        await self._ask("unload", name)

    async def change_log_settings(self, changes: Mapping[str, object]) -> LogSettings:
        """Change them everywhere."""
        settings: LogSettings = await self._ask("log", dict(changes))
        return settings

    async def statistics(self) -> Mapping[str, ModelStatistics]:
        """The sum over the workers that live."""
        parts: list[dict[str, Any]] = await self._ask("statistics")
        return merged({name: statistics_of(done) for name, done in part.items()} for part in parts)

    async def _ask(self, verb: str, *arguments: Any) -> Any:
        try:
            return await self._channel.call(verb, *arguments)
        except ChannelClosed:
            raise ServerNotReady("Its supervisor is gone.") from None

    async def carry_out(self, verb: str, arguments: list[Any]) -> Any:
        """Do here what is done everywhere."""
        match verb, arguments:
            case "load", [name, number]:
                return await self._here.load(name, number)
            case "failed", [name, error]:
                return self._here.failed_elsewhere(name, error_from_wire(error))
            case "unload", [name]:
                return await self._here.unload(name)
            case "log", [changes]:
                return await self._here.change_log_settings(changes)
            case "statistics", []:
                return {name: asdict(done) for name, done in (await self._here.statistics()).items()}
        raise LookupError(f"no order {verb} with {len(arguments)} arguments")

    def hear(self, message: Message) -> None:
        """Take a notice."""
        if isinstance(message, Whole):
            self._lacking = message.lacking

    async def begin(self, names: Sequence[str]) -> dict[str, int]:
        """Take orders from now on; answers the models to start with, and which of its loads each one's is.

        Args:
            names: What this worker would start with, if it were the first.

        Raises:
            StartupError: the supervisor is gone.
        """
        try:
            told = await self._channel.call("begin", list(names))
        except ChannelClosed:
            raise StartupError("The supervisor of this worker is gone.") from None
        for name, error in told["failed"].items():
            self._here.failed_elsewhere(name, error_from_wire(error))
        if told["log_settings"]:
            await self._here.change_log_settings(told["log_settings"])
        models: dict[str, int] = told["models"]
        return models


@asynccontextmanager
async def joined(
    place: Place | None, dataplane: DataPlane, names: Sequence[str], orphaned: Callable[[], None]
) -> AsyncIterator[Mapping[str, int]]:
    """For the block, `dataplane` is one of several that serve the same; yields the models to start with.

    Args:
        place: Which one; where it is alone, nothing changes.
        dataplane: Serves in this process.
        names: What it would start with, if it were alone.
        orphaned: Called when the supervisor is gone.

    Returns:
        Names, and which of its loads each one's next is.
    """
    if place is None:
        yield dict.fromkeys(names, 1)
        return
    channel = await Channel.open(place.take_channel())
    member = Member(channel, Alone(dataplane.repository, dataplane.metrics))

    async def follow(tasks: asyncio.TaskGroup) -> None:
        await channel.listen(tasks, member.carry_out, member.hear)
        logger.error("The supervisor is gone: stopping")
        orphaned()

    async def beat() -> None:
        while True:
            channel.tell(Beat(dataplane.started))
            await asyncio.sleep(BEAT_S)

    try:
        async with asyncio.TaskGroup() as tasks:
            own = [tasks.create_task(follow(tasks)), tasks.create_task(beat())]
            try:
                dataplane.fleet = member
                yield await member.begin(names)
            finally:
                gone = channel.ended
                for task in own:
                    task.cancel()
    finally:
        if gone:  # or else the supervisor does it
            metrics_files.remove(place.metrics_folder)
