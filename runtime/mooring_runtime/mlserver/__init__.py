"""MLServer's SDK on Mooring's server: a model file written for `mlserver` imports its names from here, unedited.

Belongs here: MLServer's public names at MLServer's places, its settings files and variables, and the source that opens
such models. Does not belong here: transports, queues, repository; those are the server's, which knows nothing of this.
"""

from mooring_runtime.mlserver import codecs, errors, types, utils
from mooring_runtime.mlserver.metrics import log, register
from mooring_runtime.mlserver.model import MLModel
from mooring_runtime.mlserver.settings import ModelParameters, ModelSettings, Settings

__all__ = [
    "MLModel",
    "ModelParameters",
    "ModelSettings",
    "Settings",
    "__version__",
    "codecs",
    "errors",
    "log",
    "register",
    "types",
    "utils",
]

__version__ = "1.7.1"
"""The MLServer whose names these are, for models that ask."""
