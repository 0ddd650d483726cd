"""Logging of the runtime, under the names that KServe's users configure: `kserve`, `kserve.trace`, `uvicorn.access`.

Lines have KServe's shape. One line per state change; per request only what is asked for: `--enable_latency_logging`
writes to `kserve.trace`, an access log is written where `uvicorn.access` was given a handler.
Source of names and formats: spec, runtime.md section 3.3.
"""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mooring_runtime.errors import StartupError
from mooring_runtime.telemetry.trace_lines import DATE, FORMAT

logger = logging.getLogger("kserve")
trace_logger = logging.getLogger("kserve.trace")

_WHEN = "%(asctime)s.%(msecs)03d"

LOG_CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "kserve": {
            "()": "logging.Formatter",
            "fmt": f"{_WHEN} %(process)s %(name)s %(levelname)s [%(filename)s:%(funcName)s():%(lineno)s] %(message)s",
            "datefmt": DATE,
        },
        "kserve_trace": {
            "()": "mooring_runtime.telemetry.trace_lines.TraceFormatter",
            "fmt": FORMAT,
            "datefmt": DATE,
        },
        "uvicorn": {
            "()": "uvicorn.logging.DefaultFormatter",
            "fmt": f"{_WHEN} %(process)s %(name)s %(levelprefix)s %(message)s",
            "datefmt": DATE,
            "use_colors": None,
        },
    },
    "handlers": {
        name: {"formatter": name, "class": handler, "stream": "ext://sys.stderr"}
        for name, handler in (
            ("kserve", "logging.StreamHandler"),
            ("kserve_trace", "mooring_runtime.telemetry.trace_lines.TraceHandler"),
            ("uvicorn", "logging.StreamHandler"),
        )
    },
    "loggers": {
        "kserve": {"handlers": ["kserve"], "level": "INFO", "propagate": False},
        "kserve.trace": {"handlers": ["kserve_trace"], "level": "INFO", "propagate": False},
        "uvicorn": {"handlers": ["uvicorn"], "level": "WARNING", "propagate": False},
    },
}
"""What is installed when nothing else is given."""

KSERVE_LOG_CONFIG = LOG_CONFIG
"""KServe's name for it."""


def default_config(level: str = "INFO") -> dict[str, Any]:
    """`LOG_CONFIG`, with `level` for our own two loggers (the variable KSERVE_LOGLEVEL)."""
    ours = {name: LOG_CONFIG["loggers"][name] | {"level": level.upper()} for name in ("kserve", "kserve.trace")}
    return LOG_CONFIG | {"loggers": LOG_CONFIG["loggers"] | ours}


def configure_logging(log_config: dict[str, Any] | str | None = None) -> None:
    """Configure logging as the user wants it.

    Args:
        log_config: A dict for `logging.config.dictConfig`; the path of a file that holds one (`.json`, `.yaml`,
            `.yml`); the path of a file in `logging.config`'s own format (any other name); or None for
            `default_config`, which leaves a process alone that has configured logging already.

    Raises:
        StartupError: it cannot be read, or is no configuration; the text names it.
    """
    import logging.config

    if log_config is None:
        if not logger.hasHandlers():
            logging.config.dictConfig(default_config(os.environ.get("KSERVE_LOGLEVEL", "INFO")))
        return
    try:
        if isinstance(log_config, dict):
            logging.config.dictConfig(log_config)
        elif (file := Path(log_config)).suffix in _READERS:
            logging.config.dictConfig(_READERS[file.suffix](file.read_text("utf-8")))
        else:
            logging.config.fileConfig(file, disable_existing_loggers=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as exc:
        what = f"Cannot configure logging from {log_config}: {exc}."
        raise StartupError(f"{what} Correct it, or what names it: --log_config_file, or logging_settings.") from exc


def _read_yaml(text: str) -> Any:
    import yaml  # only those who have such a file need it

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ValueError(str(exc)) from exc


_READERS: dict[str, Callable[[str], Any]] = {".json": json.loads, ".yaml": _read_yaml, ".yml": _read_yaml}
