"""Triton's extensions of the service: configuration, statistics and log settings of models and server."""

from collections.abc import Awaitable, Callable
from typing import Any

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.grpc_api.messages import message
from mooring_runtime.model_config import config_of
from mooring_runtime.telemetry.log_settings import LogSettings
from mooring_runtime.telemetry.statistics import statistics_document


class Extensions:
    """One method per RPC, as `servicer.Servicer` has them."""

    def __init__(self, dataplane: DataPlane) -> None:
        self._dataplane = dataplane

    def methods(self) -> dict[str, Callable[[Any, Any], Awaitable[Any]]]:
        """By the name of the RPC."""
        return {
            "ModelConfig": self.model_config,
            "ModelStatistics": self.model_statistics,
            "LogSettings": self.log_settings,
        }

    async def model_config(self, request: Any, context: Any) -> Any:
        """What a model declares, in Triton's words."""
        _, metadata = await self._dataplane.model_metadata(request.name, request.version or None)
        return message("ModelConfigResponse")(config=config_of(request.name, metadata))

    async def model_statistics(self, request: Any, context: Any) -> Any:
        """What a model, or every model, has done."""
        rows = await self._dataplane.statistics(request.name or None, request.version or None)
        return message("ModelStatisticsResponse")(model_stats=[statistics_document(*row) for row in rows])

    async def log_settings(self, request: Any, context: Any) -> Any:
        """Change what the request names, and answer all settings."""
        changes = {
            name: getattr(value, choice)
            for name, value in request.settings.items()
            if (choice := value.WhichOneof("parameter_choice"))
        }
        return _log_settings(await self._dataplane.fleet.change_log_settings(changes))


_FIELDS: dict[type, str] = {bool: "bool_param", int: "uint32_param", str: "string_param"}


def _log_settings(settings: LogSettings) -> Any:
    values = {name: {_FIELDS[type(value)]: value} for name, value in settings.items()}
    return message("LogSettingsResponse")(settings=values)
