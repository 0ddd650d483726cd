"""All processes that serve together: what one of them asks of all, itself among them. Most servers are one process."""

from collections.abc import Mapping
from typing import Protocol

from mooring_runtime.logging import logger
from mooring_runtime.metrics import Metrics
from mooring_runtime.registry.repository import Repository
from mooring_runtime.telemetry.log_settings import LogSettings, change_log_settings
from mooring_runtime.telemetry.statistics import ModelStatistics


class Fleet(Protocol):
    """Every verb returns when all processes have done it; what fails in one of them is raised."""

    def lacking(self) -> str:
        """Why the server is not ready as a whole; empty when it is."""

    async def load(self, name: str) -> int:
        """As `Repository.load`."""

    async def unload(self, name: str) -> None:
        """As `Repository.unload`."""

    async def change_log_settings(self, changes: Mapping[str, object]) -> LogSettings:
        """As `log_settings.change_log_settings`."""

    async def statistics(self) -> Mapping[str, ModelStatistics]:
        """What the models did, by name, all processes together."""


class Alone:
    """The fleet of one process."""

    def __init__(self, repository: Repository, metrics: Metrics) -> None:
        self._repository = repository
        self._metrics = metrics

    def lacking(self) -> str:
        """Nothing."""
        return ""

    async def load(self, name: str, number: int | None = None) -> int:
        """Load here."""
        return await self._repository.load(name, number)

    def failed_elsewhere(self, name: str, exc: Exception) -> None:
        """Know here of a load that failed in another process."""
        self._repository.failed_elsewhere(name, exc)

    async def unload(self, name: str) -> None:
        """Unload here."""
        await self._repository.unload(name)

    async def change_log_settings(self, changes: Mapping[str, object]) -> LogSettings:
        """Change them here."""
        return change_log_settings(logger, changes)

    async def statistics(self) -> Mapping[str, ModelStatistics]:
        """What was done here."""
        return self._metrics.statistics.all()
