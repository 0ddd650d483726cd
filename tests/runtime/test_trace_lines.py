import asyncio
import io
import logging
import re

import pytest

from mooring_runtime.telemetry.trace_lines import TraceFormatter, TraceHandler, trace

STAGES = {"preprocess": 0.000001, "predict": 0.25, "postprocess": 0}
TEXT = "requestId: r1, preprocess_ms: 0.001, explain_ms: 0, predict_ms: 250.0, postprocess_ms: 0"


@pytest.fixture
def logger() -> logging.Logger:
    """One that pytest does not know of, and so adds no handler to."""
    logger = logging.Logger("test.trace", logging.INFO)
    logger.propagate = False
    return logger


def handler_of(stream: io.StringIO, formatter: logging.Formatter) -> TraceHandler:
    handler = TraceHandler(stream)
    handler.setFormatter(formatter)
    return handler


async def test_a_bare_line_is_what_a_record_would_be(logger: logging.Logger) -> None:
    stream = io.StringIO()
    logger.addHandler(handler_of(stream, TraceFormatter()))
    trace(logger, "r1", STAGES)
    trace(logger, "r1", STAGES)
    assert not stream.getvalue()  # the loop has not turned yet
    await asyncio.sleep(0)
    logger.info(TEXT)
    bare, again, record = stream.getvalue().splitlines()
    shape = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ test\.trace " + re.escape(TEXT))
    assert all(shape.fullmatch(line) for line in (bare, again, record))
    assert bare.split()[2] == record.split()[2]


@pytest.mark.parametrize("change", ["format", "date", "formatter", "filter", "handler", "second-handler"])
async def test_a_configuration_of_the_user_s_gets_records(logger: logging.Logger, change: str) -> None:
    stream, seen = io.StringIO(), list[str]()

    class Records(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            seen.append(record.getMessage())
            return True

    formatters = {"format": TraceFormatter("%(message)s"), "date": TraceFormatter(datefmt="%H")}
    formatter = formatters.get(change) or (logging.Formatter() if change == "formatter" else TraceFormatter())
    handler = handler_of(stream, formatter) if change != "handler" else logging.StreamHandler(stream)
    logger.addHandler(handler)
    if change == "filter":
        handler.addFilter(Records())
    if change == "second-handler":
        logger.addHandler(logging.NullHandler())
    trace(logger, "r1", STAGES)
    assert TEXT in stream.getvalue()  # at once
    assert seen == ([TEXT] if change == "filter" else [])


async def test_a_level_above_info_writes_nothing(logger: logging.Logger) -> None:
    stream = io.StringIO()
    logger.addHandler(handler_of(stream, TraceFormatter()))
    logger.setLevel(logging.WARNING)
    trace(logger, "r1", STAGES)
    await asyncio.sleep(0)
    assert not stream.getvalue()
