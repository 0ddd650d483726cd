import logging
from collections.abc import Mapping
from itertools import count

import pytest

from mooring_runtime.errors import InvalidInput
from mooring_runtime.telemetry.log_settings import change_log_settings, log_settings

_NUMBERS = count()


@pytest.fixture
def logger() -> logging.Logger:
    fresh = logging.getLogger(f"test-log-settings-{next(_NUMBERS)}")
    fresh.setLevel(logging.INFO)
    return fresh


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, logging.INFO),
        ({"log_verbose_level": 1}, logging.DEBUG),
        ({"log_info": False}, logging.WARNING),
        ({"log_info": False, "log_warning": False}, logging.ERROR),
        ({"log_info": False, "log_warning": False, "log_error": False}, logging.CRITICAL),
        ({"log_file": ""}, logging.INFO),
    ],
    ids=str,
)
def test_settings_become_the_logger_s_level(logger: logging.Logger, changes: Mapping[str, object], level: int) -> None:
    told = change_log_settings(logger, changes)
    assert logger.level == level
    assert changes.items() <= told.items()
    assert told == log_settings(logger)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"colour": True}, "no log setting colour"),
        ({"log_info": 1}, "log_info must be true or false"),
        ({"log_verbose_level": -1}, "log_verbose_level must be a whole number"),
        ({"log_verbose_level": True}, "log_verbose_level must be a whole number"),
        ({"log_file": "/etc/passwd"}, "log_file cannot be changed"),
        ({"log_info": False, "colour": True}, "no log setting colour"),
    ],
    ids=str,
)
def test_faulty_changes_are_refused_whole(logger: logging.Logger, changes: Mapping[str, object], text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        change_log_settings(logger, changes)
    assert logger.level == logging.INFO
