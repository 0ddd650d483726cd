"""`import kserve` and `import mlserver` in a file that was written for them: the same names, found here.

A meta-path finder answers for these packages and their modules with ours, the very same module objects, so that an
`isinstance` holds whichever name a class was imported by. Only the launcher installs it: a program that imports
`mooring_runtime` itself keeps whatever `kserve` or `mlserver` it has.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

OURS = "mooring_runtime"

PLACES = {
    "kserve": OURS,
    "kserve_storage": f"{OURS}.storage",
    "mlserver": f"{OURS}.mlserver",
    "mlserver.codecs.errors": f"{OURS}.mlserver.errors",
    "mlserver.codecs.decorator": f"{OURS}.mlserver.codecs.arguments",
    "mlserver.codecs.utils": f"{OURS}.mlserver.codecs.single",
    **{f"mlserver.codecs.{name}": f"{OURS}.mlserver.codecs.lists" for name in ("string", "base64", "datetime")},
    "kserve.protocol.infer_type": f"{OURS}.infer_type",
    "kserve.protocol.dataplane": f"{OURS}.sdk.dataplane",
    "kserve.protocol.model_repository_extension": f"{OURS}.sdk.dataplane",
    "kserve.protocol.grpc.grpc_predict_v2_pb2": f"{OURS}.grpc_api.messages",
    "kserve.protocol.grpc.grpc_predict_v2_pb2_grpc": f"{OURS}.grpc_api.stub",
}
"""Where a name is that does not simply have ours in front; the others are at the same place below `mooring_runtime`, or
below `mooring_runtime.mlserver` for MLServer's."""

PAGES = {
    "kserve": "docs/custom-models.md",
    "kserve_storage": "docs/custom-models.md",
    "mlserver": "docs/mlserver-models.md",
}
"""The packages, and what tells which of their modules there are."""

EMPTY = frozenset({"kserve.protocol", "kserve.protocol.grpc"})
"""Packages that hold nothing but other modules."""


def target_of(name: str) -> str | None:
    """The module of ours that `name` stands for; None when it is neither's, or one that only holds others."""
    package, _, rest = name.partition(".")
    if package not in PAGES or name in EMPTY:
        return None
    return PLACES.get(name, f"{PLACES[package]}.{rest}")


class _Alias(Loader):
    """Answers with a module that exists already, and leaves it as it is."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has just written its own


class _Empty(Loader):
    """Makes a package without contents."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__path__ = []


class AliasFinder(MetaPathFinder):
    """Finds both packages here. Raises ModuleNotFoundError for a module of theirs that has no counterpart."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Ours, under the name that was asked for; None for what is not theirs."""
        if fullname in EMPTY:
            return ModuleSpec(fullname, _Empty(), is_package=True)
        ours = target_of(fullname)
        if ours is None:
            return None
        try:
            module = importlib.import_module(ours)
        except ModuleNotFoundError as exc:
            if not f"{ours}.".startswith(f"{exc.name}."):  # not even a package on the way there
                raise
            page = PAGES[fullname.partition(".")[0]]
            raise ModuleNotFoundError(
                f"{fullname}: Mooring's runtime has no such module; see {page} for those it has",
                name=fullname,
            ) from None
        return ModuleSpec(fullname, _Alias(module), is_package=hasattr(module, "__path__"))


class TorchvisionFinder(MetaPathFinder):
    """Declares torchvision's absent operators right before its first import, where torch is a CPU build."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Never finds anything itself."""
        if fullname == "torchvision":
            sys.meta_path.remove(self)  # once, and not for the look-up that the declaration does itself
            from mooring_runtime.torchvision_ops import declare_absent_operators

            declare_absent_operators()
        return None


def install() -> None:
    """Put both finders in front of all others, once."""
    for kind in (TorchvisionFinder, AliasFinder):
        if not any(isinstance(finder, kind) for finder in sys.meta_path):
            sys.meta_path.insert(0, kind())


RAY_HOOK = ("RAY_RUNTIME_ENV_HOOK", f"{__name__}.for_ray_workers")
"""The variable that Ray's `init` reads, and what it is to call."""


def for_ray_workers(runtime_env: dict[str, Any] | None) -> dict[str, Any]:
    """Ray's environment for workers: they `install` as well, since they import the program's own modules anew."""
    return {"worker_process_setup_hook": f"{__name__}.install", **(runtime_env or {})}
