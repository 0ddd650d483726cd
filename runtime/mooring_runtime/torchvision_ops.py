"""Makes `import torchvision` work beside a CPU build of torch.

torchvision's wheel is compiled for a CUDA torch. Beside a CPU one its library of operators does not load, and importing
it fails at the first Python function that registers itself for one of them: `operator torchvision::nms does not exist`,
then `qnms`. Models and transforms need none of the operators, only that those two names exist: so their schemas are
declared, without an implementation; calling one still fails, saying that it has none.

Versions: torch 2.13.0 with torchvision 0.28.0. With a matching build nothing is declared.
"""

import importlib.util
from pathlib import Path

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_declared: list[torch.library.Library] = []
"""Holds the declaration: it ends with the object."""


def declare_absent_operators() -> None:
    """Declare what the compiled library would have; call it before `import torchvision`. Idempotent."""
    if _declared or _compiled_operators_load():
        return
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call] # torch's own
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call] # torch's own
    _declared.append(library)


def _compiled_operators_load() -> bool:
    """Try what torchvision's own import will do; loading the same library twice is harmless."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    for library in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call] # torch's own
        except OSError:
            continue
        return hasattr(torch.ops.torchvision, "nms")
    return False
