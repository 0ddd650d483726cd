"""MLServer's logger, for models to write to."""

import logging

logger = logging.getLogger("mlserver")


def get_logger() -> logging.Logger:
    """The same."""
    return logger
