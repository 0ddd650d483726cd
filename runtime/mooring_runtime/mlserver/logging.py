"""MLServer's logger, for models to write to, and its ways to configure logging (spec: runtime.md section 4.8)."""

import logging
from typing import Any

import orjson

from mooring_runtime.logging import configure_logging, default_config
from mooring_runtime.logging import logger as server_logger
from mooring_runtime.mlserver.context import model_name_var, model_version_var
from mooring_runtime.mlserver.settings import Settings

logger = logging.getLogger("mlserver")


def get_logger() -> logging.Logger:
    """The same."""
    return logger


class StructuredFormatter(logging.Formatter):
    """A line as a JSON object, with the model whose code wrote it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a line break at its end."""
        line = {
            "time": self.formatTime(record),
            "name": record.name,
            "level": record.levelname,
            "message": record.getMessage(),
        }
        if name := model_name_var.get(""):
            line["model_name"] = name
        if version := model_version_var.get(""):
            line["model_version"] = version
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def configure(settings: Settings) -> None:
    """Configure logging as the settings say: the server's lines go where `mlserver`'s do.

    Raises:
        StartupError: `logging_settings` cannot be read, or is no configuration.
    """
    configure_logging(_config(settings))
    if settings.logging_settings is not None:
        configure_logging(settings.logging_settings)
        server_logger.handlers, server_logger.propagate = logger.handlers, logger.propagate
        server_logger.setLevel(logger.getEffectiveLevel())
        server_logger.disabled = False  # as dictConfig leaves loggers that it was not told of


def _config(settings: Settings) -> dict[str, Any]:
    config = default_config("DEBUG" if settings.debug else "INFO")
    loggers = config["loggers"] | {"mlserver": config["loggers"]["kserve"]}
    formatters = config["formatters"]
    if settings.use_structured_logging:
        formatters = {name: {"()": f"{__name__}.StructuredFormatter"} for name in formatters}
    return config | {"loggers": loggers, "formatters": formatters}
