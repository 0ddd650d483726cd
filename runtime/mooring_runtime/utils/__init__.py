"""KServe's public helpers for models, at KServe's import paths. Nothing of the runtime itself belongs here.

`kserve.utils` is its module `utils.utils` once `kserve` is imported, so what that has is found here as well.
"""

from mooring_runtime.utils.utils import *  # noqa: F403 - the same names, whichever they are
from mooring_runtime.utils.utils import __all__  # noqa: F401
