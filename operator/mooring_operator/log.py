"""JSON logs: one object a line with `level`, `ts`, `logger`, `msg`, and `error` for exceptions."""

import json
import logging
import sys
from datetime import UTC, datetime


class JsonFormatter(logging.Formatter):
    """One JSON object a line; the time is UTC with milliseconds."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for `record`."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "level": record.levelname.lower(),
            "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(level: str) -> None:
    """Send everything to stdout as JSON; kopf speaks only of what an operator's operator must know."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("kopf", "urllib3", "kubernetes", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("kopf._core.engines.peering").setLevel(logging.INFO)
