"""`kserve.model_server`."""

from mooring_runtime.model_server import ModelServer, app, parser

__all__ = ["ModelServer", "app", "parser"]
