"""The logger's level as the settings of Triton's logging extension: read, and changed while the server runs."""

import logging
from collections.abc import Mapping

from mooring_runtime.errors import InvalidInput

LogSettings = dict[str, bool | int | str]

_LEVELS = (
    ("log_verbose_level", logging.DEBUG),
    ("log_info", logging.INFO),
    ("log_warning", logging.WARNING),
    ("log_error", logging.ERROR),
)
"""What each setting lets through; the first that is on decides, since a level lets through all that is graver."""

_FIXED: LogSettings = {"log_file": "", "log_format": "default"}
"""Told, not changed: where lines go and what they look like is `--log_config_file`'s to say."""


def log_settings(logger: logging.Logger) -> LogSettings:
    """What `logger` lets through."""
    level = logger.getEffectiveLevel()
    switches: LogSettings = {name: level <= own for name, own in _LEVELS}
    return {**switches, "log_verbose_level": int(level <= logging.DEBUG), **_FIXED}


def change_log_settings(logger: logging.Logger, changes: Mapping[str, object]) -> LogSettings:
    """Set `logger`'s level to what the settings, with `changes` among them, let through; answers the new settings.

    Raises:
        InvalidInput: there is no such setting, or not with that value; nothing has changed then.
    """
    now = log_settings(logger)
    for name, value in changes.items():
        _check(name, value, now)
    wanted = {**now, **changes}
    level = next((level for name, level in _LEVELS if wanted[name]), logging.CRITICAL)
    if level != logger.getEffectiveLevel():
        logger.setLevel(level)
    return log_settings(logger)


def _check(name: str, value: object, now: LogSettings) -> None:
    if name not in now:
        raise InvalidInput(f"there is no log setting {name}: there are {', '.join(now)}")
    if name in _FIXED and value != now[name]:
        raise InvalidInput(f"log setting {name} cannot be changed while the server runs: use --log_config_file")
    wanted = int if name == "log_verbose_level" else type(now[name])
    if type(value) is not wanted or (wanted is int and not 0 <= int(str(value)) < 2**32):
        raise InvalidInput(f"log setting {name} must be {_WORDS[wanted]}, got {value!r}")


_WORDS = {bool: "true or false", int: "a whole number of at least 0", str: "text"}
