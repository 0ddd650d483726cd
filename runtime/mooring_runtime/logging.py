"""Logging of the runtime: plain lines on stderr, one per state change, none per request unless asked for."""

import logging
from typing import Any

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


def configure_logging() -> None:
    """Install `LOG_CONFIG`; a process that configured the root logger itself keeps what it has."""
    import logging.config

    if not logging.getLogger("mooring").hasHandlers():
        logging.config.dictConfig(LOG_CONFIG)
