"""KServe's line about each request, as cheap as a line can be.

A record of `logging` and a write of its own for every line cost as much as the rest of a small request. With the
configuration that is ours, lines are made without records, and those of one turn of the loop are written together; any
other handler, formatter or filter of the logger `kserve.trace` gets records as ever.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from time import localtime, strftime, time
from typing import TextIO

DATE = "%Y-%m-%d %H:%M:%S"
FORMAT = "%(asctime)s.%(msecs)03d %(process)s %(name)s %(message)s"


class TraceFormatter(logging.Formatter):
    """A formatter whose lines `TraceHandler` can make by itself, unless it is given another format."""

    def __init__(self, fmt: str = FORMAT, datefmt: str = DATE) -> None:
        super().__init__(fmt, datefmt)
        self.is_plain = (fmt, datefmt) == (FORMAT, DATE)


class TraceHandler(logging.StreamHandler[TextIO]):
    """A stream's handler that also takes bare lines, on the event loop's thread."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._lines: list[str] = []
        self._second, self._when = 0, ""

    @property
    def takes_lines(self) -> bool:
        """Whether a line and a record would come out the same."""
        return isinstance(self.formatter, TraceFormatter) and self.formatter.is_plain and not self.filters

    def line(self, name: str, text: str) -> None:
        """Write the line that a record of the logger `name` would become, at the end of this turn of the loop."""
        now = time()
        second = int(now)
        if second != self._second:
            self._second, self._when = second, strftime(DATE, localtime(second))
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write_lines)
        self._lines.append(f"{self._when}.{int((now - second) * 1000):03d} {os.getpid()} {name} {text}\n")

    def _write_lines(self) -> None:
        lines, self._lines = self._lines, []
        self.acquire()
        try:
            self.stream.write("".join(lines))
            self.flush()
        except (OSError, ValueError):  # the stream is gone: there is nowhere to tell it
            pass
        finally:
            self.release()


def trace(logger: logging.Logger, request_id: str, stages: Mapping[str, float]) -> None:
    """Write the line about a request, unless the logger's level is above INFO."""
    if not logger.isEnabledFor(logging.INFO):
        return
    text = latency_line(request_id, stages)
    handlers = logger.handlers
    if len(handlers) == 1 and not logger.filters and not logger.propagate:
        handler = handlers[0]
        if isinstance(handler, TraceHandler) and handler.takes_lines:
            handler.line(logger.name, text)
            return
    logger.info("%s", text)


def latency_line(request_id: str, stages: Mapping[str, float]) -> str:
    """KServe's line about one request (spec: runtime.md section 3.3); milliseconds."""

    def ms(stage: str) -> float:
        return round(stages.get(stage, 0) * 1000, 9)

    return (
        f"requestId: {request_id}, preprocess_ms: {ms('preprocess')}, explain_ms: {ms('explain')}, "
        f"predict_ms: {ms('predict')}, postprocess_ms: {ms('postprocess')}"
    )
