"""`kserve.logging`."""

from mooring_runtime.logging import configure_logging, logger

__all__ = ["configure_logging", "logger"]
