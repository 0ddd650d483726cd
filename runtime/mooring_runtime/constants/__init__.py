"""KServe's constants, at KServe's import paths: `constants.constants`, and here what that has."""

from mooring_runtime.constants.constants import *  # noqa: F403 - the same names, whichever they are
from mooring_runtime.constants.constants import __all__  # noqa: F401
