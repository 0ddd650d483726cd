"""The class that a model's settings name, imported anew for each load where it lies in the model's own folder."""

import importlib
import sys
import threading
from pathlib import Path

from mooring_runtime.errors import ModelLoadFailed
from mooring_runtime.mlserver.model import MLModel


class Implementations:
    """Imports classes, one at a time, since the module table and the path are the whole process's.

    A module in the model's folder is that model's: two models may each have a `model.py`, and a load reads it anew.
    A module elsewhere on the path is imported once, like any other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._private: set[str] = set()

    def find(self, path: str, folder: Path) -> type[MLModel]:
        """The class at `path`, which is looked for in `folder` before anywhere else.

        Raises:
            ModelLoadFailed: there is no such class; what the module raises on import is raised as it is.
        """
        module_name, _, class_name = path.rpartition(".")
        if not module_name:
            raise ModelLoadFailed(f"The implementation '{path}' is no module and class.", "Write it as module.Class.")
        with self._lock:
            try:
                module = self._import(module_name, folder)
            except ModuleNotFoundError as exc:
                if not exc.name or not f"{module_name}.".startswith(f"{exc.name}."):
                    raise
                raise ModelLoadFailed(
                    f"There is no module {exc.name}, for the implementation {path}, in {folder} or on the Python path.",
                    "Put it there, or set PYTHONPATH.",
                ) from None
        found = getattr(module, class_name, None)
        if not isinstance(found, type) or not issubclass(found, MLModel):
            what = "has no such class" if found is None else "is no subclass of mlserver.MLModel"
            raise ModelLoadFailed(f"The implementation {path} {what}.", "Correct implementation in its settings.")
        return found

    def _import(self, name: str, folder: Path) -> object:
        top = name.partition(".")[0]
        mine = (folder / f"{top}.py").is_file() or (folder / top).is_dir()
        if mine or top in self._private:
            for known in [known for known in sys.modules if known == top or known.startswith(f"{top}.")]:
                del sys.modules[known]
            self._private.discard(top)
        if mine:
            self._private.add(top)
        importlib.invalidate_caches()
        sys.path.insert(0, str(folder))
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove(str(folder))
