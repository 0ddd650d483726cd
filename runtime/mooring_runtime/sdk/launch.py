"""`mooring-runtime run FILE [ARG...]`: a program that was written for KServe's server, run on ours, unedited."""

import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from mooring_runtime.sdk import aliases

USAGE = "usage: mooring-runtime run FILE [ARG...]\n       mooring-runtime run -m MODULE [ARG...]\n"


def run_program(argv: Sequence[str]) -> None:
    """Run a file, or with `-m` a module, as `python` would: it is `__main__`, and its folder is first on the path.

    Raises:
        SystemExit: the call is wrong, there is no such file, or the program exits.
    """
    if not argv or argv[0] in ("-h", "--help"):
        sys.stderr.write(f"{USAGE}{__doc__}\n")
        raise SystemExit(0 if argv else 2)
    as_module, rest = (True, list(argv[1:])) if argv[0] == "-m" else (False, list(argv))
    if not rest:
        raise SystemExit(f"{USAGE}mooring-runtime: error: -m takes the name of a module")
    aliases.install()
    os.environ.setdefault(*aliases.RAY_HOOK)
    if as_module:
        sys.path.insert(0, str(Path.cwd()))
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        return
    file = Path(rest[0])
    if not file.is_file():
        raise SystemExit(f"mooring-runtime: error: {file}: no such file")
    sys.argv = rest
    sys.path.insert(0, str(file.resolve().parent))
    runpy.run_path(str(file), run_name="__main__")
