"""Logging of the runtime: plain lines on stderr, one per state change, none per request unless asked for."""

import json
import logging
import logging.config
from pathlib import Path
from typing import Any

from mooring_runtime.errors import StartupError

logger = logging.getLogger("mooring.runtime")

LOG_CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "format": "%(asctime)s.%(msecs)03d %(process)d %(name)s %(levelname)s [%(module)s:%(lineno)s] %(message)s",
            "datefmt": "%Y-%m-%d %H:%M:%S",
        },
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"}},
    "loggers": {
        "mooring": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
    },
}


def configure_logging(log_config: dict[str, Any] | str | None = None) -> None:
    """Configure logging as KServe's function of that name does.

    Args:
        log_config: A dict for `logging.config`, or a file: `.json`, `.yaml` or `.yml`, else ini. None installs
            `LOG_CONFIG`, unless the process configured the root logger itself: then it keeps what it has.

    Raises:
        StartupError: the file cannot be read, or is no logging configuration.
    """
    if log_config is None:
        if not logging.getLogger("mooring").hasHandlers():
            logging.config.dictConfig(LOG_CONFIG)
        return
    try:
        _configure(log_config)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as exc:
        raise StartupError(f"Cannot configure logging from {log_config}: {exc}. Correct --log_config_file.") from exc


def _configure(log_config: dict[str, Any] | str) -> None:
    if isinstance(log_config, dict):
        logging.config.dictConfig(log_config)
        return
    path = Path(log_config)
    match path.suffix:
        case ".json":
            logging.config.dictConfig(json.loads(path.read_text("utf-8")))
        case ".yaml" | ".yml":
            logging.config.dictConfig(_read_yaml(path))
        case _:
            logging.config.fileConfig(path, disable_existing_loggers=False)


def _read_yaml(path: Path) -> Any:
    import yaml  # only those who have such a file need it

    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as exc:
        raise ValueError(str(exc)) from exc
