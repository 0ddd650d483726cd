"""Logs: one JSON object a line on stdout with `level`, `ts`, `caller`, `msg`, as KServe's walk-through prints them."""

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

_LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warn", "ERROR": "error", "CRITICAL": "fatal"}
"""zap's names, which the walk-through's readers filter by."""


def timestamp(moment: datetime) -> str:
    """UTC with milliseconds and `Z`: `2021-01-20T16:24:00.421Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    """One record, one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as compact JSON; `stacktrace` is added for exceptions."""
        folder = Path(record.pathname).parent.name.removeprefix("mooring_")
        line = {
            "level": _LEVELS.get(record.levelname, record.levelname.lower()),
            "ts": timestamp(datetime.fromtimestamp(record.created, UTC)),
            "caller": f"{folder}/{record.filename}:{record.lineno}",
            "msg": record.getMessage(),
        }
        if record.exc_info:
            line["stacktrace"] = self.formatException(record.exc_info)
        return json.dumps(line, separators=(",", ":"), ensure_ascii=False)


def configure(stream: TextIO = sys.stdout) -> None:
    """Send every record of INFO and above to `stream`; SDKs only speak up from WARNING."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("mooring_agent").setLevel(logging.INFO)
