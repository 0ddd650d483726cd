"""How many CPUs this process may use: its cgroup's quota, version 1 or 2, within its affinity.

torch and most libraries count the machine's CPUs; in a pod limited to two of sixty-four they start thirty times too
many threads and are throttled.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def parse_v2(cpu_max: str) -> float | None:
    """CPUs granted by `cpu.max` (`"200000 100000"`); None for `max`."""
    quota, _, period = cpu_max.strip().partition(" ")
    return None if quota == "max" else int(quota) / int(period or 100_000)


def parse_v1(quota_us: str, period_us: str) -> float | None:
    """CPUs granted by `cpu.cfs_quota_us` and `cpu.cfs_period_us`; None for no quota (-1)."""
    quota = int(quota_us)
    return None if quota <= 0 else quota / int(period_us)


def cgroup_paths(proc_self_cgroup: str) -> tuple[str, str]:
    """The process's paths in the v2 and in the v1 cpu hierarchy, `/` where it names none."""
    v2 = v1 = "/"
    for line in proc_self_cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            v2 = path
        elif "cpu" in controllers.split(","):
            v1 = path
    return v2, v1


def cpu_count(root: Path = Path("/"), affinity: int | None = None) -> int:
    """CPUs to plan threads for: at least 1, a fraction rounded up.

    Args:
        root: Where `/proc` and `/sys` are.
        affinity: CPUs that the scheduler lets the process run on; asked of the kernel when None.
    """
    available = affinity if affinity is not None else len(os.sched_getaffinity(0))
    limits = [limit for limit in _limits(root) if limit is not None]
    return max(1, min([available, *(math.ceil(limit) for limit in limits)]))


def cpu_share(workers: int) -> int:
    """CPUs for each of several processes that work side by side: at least 1."""
    return max(1, cpu_count() // workers)


def _limits(root: Path) -> Iterator[float | None]:
    """The quotas of the process's cgroup and of all its parents: the smallest one counts."""
    v2, v1 = cgroup_paths(_read(root / "proc/self/cgroup") or "")
    for folder in _lineage(root / "sys/fs/cgroup", v2):
        if text := _read(folder / "cpu.max"):
            yield parse_v2(text)
    for hierarchy in ("cpu", "cpu,cpuacct"):
        for folder in _lineage(root / "sys/fs/cgroup" / hierarchy, v1):
            quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
            if quota and period:
                yield parse_v1(quota, period)


def _lineage(mount: Path, path: str) -> Iterator[Path]:
    """The folder of `path` below `mount`, and its parents; inside a container only `mount` itself exists."""
    relative = PurePosixPath(path.lstrip("/"))
    yield from (mount / part for part in (relative, *relative.parents))


def _read(file: Path) -> str | None:
    try:
        return file.read_text()
    except OSError:
        return None
