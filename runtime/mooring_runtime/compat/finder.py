"""Import hooks of the launcher; importing `mooring_runtime` installs none of them."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType

ALIASES: Mapping[str, str] = MappingProxyType(
    {name: f"mooring_runtime.compat.{name}" for name in ("kserve", "mlserver")}
)
"""Top-level names of other servers, and our package behind each."""


class _AliasLoader(Loader):
    """Answers with the module of another name: the object itself, so that classes and state are one."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._own_spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._target)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to run; the import system wrote the alias's spec over the module's own."""
        module.__spec__ = self._own_spec


class AliasFinder(MetaPathFinder):
    """Finds `kserve.x` as `mooring_runtime.compat.kserve.x`; a name that we lack is left to the other finders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The alias's spec, or None for names of others."""
        root, dot, rest = fullname.partition(".")
        if root not in ALIASES:
            return None
        ours = ALIASES[root] + dot + rest
        if importlib.util.find_spec(ours) is None:
            return None
        return ModuleSpec(fullname, _AliasLoader(ours))


class TorchvisionFinder(MetaPathFinder):
    """Finds nothing itself: makes torchvision importable beside a CPU torch when it is first asked for."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None, after the operators were declared."""
        if fullname == "torchvision" and self in sys.meta_path:
            sys.meta_path.remove(self)  # once, and the declaration looks for torchvision itself
            if importlib.util.find_spec(fullname) and importlib.util.find_spec("torch"):
                from mooring_runtime.torchvision_ops import declare_absent_operators

                declare_absent_operators()
        return None


def install() -> None:
    """Put both hooks in front of the other finders, so that an installed `kserve` is not taken. Idempotent."""
    if not any(isinstance(finder, AliasFinder) for finder in sys.meta_path):
        sys.meta_path[:0] = [AliasFinder(), TorchvisionFinder()]
