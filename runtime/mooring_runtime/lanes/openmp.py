"""OpenMP's helpers: the threads that torch, numpy's BLAS and others compute with beside the one that asked.

GNU's OpenMP keeps helpers for each thread that ever computed in parallel, and counts them. Past the number of CPUs it
takes the machine for overloaded, and lets helpers sleep between any two steps of a computation, which costs AlexNet
15 % for one image. Threads that computed while they loaded, or that computed before, count too, until they let go.
"""

import ctypes
import os
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

_SOFT = 1
"""`omp_pause_soft` of OpenMP 5.0: let go of threads, keep everything else."""


def let_helpers_go() -> None:
    """End the helpers of the calling thread; new ones are made when it computes in parallel again."""
    for library in _libraries(_torch_has("set_num_threads")):
        library.omp_pause_resource_all(_SOFT)


def compute_with(most: int) -> None:
    """Let torch, where it is there, compute with at most so many threads in this one; with fewer where it was told."""
    if not _torch_has("set_num_threads"):
        return
    torch = sys.modules["torch"]
    if not hasattr(_mine, "told"):
        _mine.told = torch.get_num_threads()
    wanted = min(_mine.told, most)
    if torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)


_mine = threading.local()


def _torch_has(name: str) -> bool:
    """Whether torch is imported, as far as that name."""
    return hasattr(sys.modules.get("torch"), name)


@cache
def _libraries(has_torch: bool) -> list[ctypes.CDLL]:
    """GNU's, as often as packages have brought it; looked for again once torch is there, which brings one."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:  # not Linux
        return []
    found = []
    for path in sorted({line.split(maxsplit=5)[5] for line in lines if "/libgomp" in line}):
        with suppress(OSError):  # its file was replaced meanwhile
            found.append(ctypes.CDLL(path, mode=os.RTLD_NOLOAD))
    return [library for library in found if hasattr(library, "omp_pause_resource_all")]
