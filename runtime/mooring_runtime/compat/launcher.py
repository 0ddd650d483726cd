"""`mooring-runtime run FILE [args...]` and `run -m MODULE [args...]`: a user's program, with the import hooks."""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from mooring_runtime.compat import finder

USAGE = "usage: mooring-runtime run FILE [args...] | mooring-runtime run -m MODULE [args...]"


def run(argv: Sequence[str]) -> None:
    """Run the program as `python` would: as `__main__`, with its own arguments and its folder first on the path.

    Args:
        argv: What stands behind `run`.

    Raises:
        SystemExit: nothing to run is named, or the program exits so.
    """
    is_module = argv[:1] == ["-m"]
    words = list(argv[is_module:])
    if not words or words[0].startswith("-"):
        sys.exit(USAGE)
    program = words[0]
    if not is_module and not Path(program).exists():
        sys.exit(f"mooring-runtime run: there is no file {program}; name a Python file, or a module behind -m.")
    finder.install()
    sys.argv[:] = words
    sys.path.insert(0, str(Path.cwd() if is_module else Path(program).resolve().parent))
    if is_module:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(program, run_name="__main__")
