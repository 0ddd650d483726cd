"""`peer.py FILE [ARG...]`: run a program in the peer's interpreter, with torchvision importable beside a CPU torch.

It borrows one file of ours for that (its docstring says why it is needed); of Mooring nothing else is imported.
"""

import importlib.util
import runpy
import sys
from pathlib import Path

OPERATORS = Path(__file__).parents[3] / "runtime" / "mooring_runtime" / "torchvision_ops.py"

if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("torchvision_ops", OPERATORS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.declare_absent_operators()
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
