"""`kserve.utils`."""

from mooring_runtime.compat.kserve.utils import utils

__all__ = ["utils"]
