from pathlib import Path

import pytest

from mooring_runtime.lanes.cpu_limit import cgroup_paths, cpu_count, cpu_share, parse_v1, parse_v2


@pytest.mark.parametrize(
    ("text", "cpus"), [("max 100000\n", None), ("200000 100000\n", 2.0), ("50000 100000", 0.5)], ids=str
)
def test_version_2_quota(text: str, cpus: float | None) -> None:
    assert parse_v2(text) == cpus


def test_version_1_quota() -> None:
    assert parse_v1("-1", "100000") is None
    assert parse_v1("150000\n", "100000\n") == 1.5


def test_paths_of_both_hierarchies() -> None:
    assert cgroup_paths("0::/a/b\n") == ("/a/b", "/")
    assert cgroup_paths("12:memory:/m\n4:cpu,cpuacct:/docker/x\n0::/y\n") == ("/y", "/docker/x")


def put(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


CASES: dict[str, tuple[dict[str, str], int]] = {
    "no cgroup: the affinity": ({}, 64),
    "a pod's own view of version 2": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000"}, 2),
    "a fraction is rounded up": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000"}, 1),
    "the smallest of the lineage counts": (
        {
            "proc/self/cgroup": "0::/pod/main\n",
            "sys/fs/cgroup/pod/cpu.max": "300000 100000",
            "sys/fs/cgroup/pod/main/cpu.max": "max 100000",
        },
        3,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/pod\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
        4,
    ),
    "more than there is": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000"}, 64),
}


@pytest.mark.parametrize("case", CASES)
def test_cpu_count(case: str, tmp_path: Path) -> None:
    files, expected = CASES[case]
    put(tmp_path, files)
    assert cpu_count(tmp_path, affinity=64) == expected


def test_this_machine_has_at_least_one() -> None:
    assert cpu_count() >= 1
    assert cpu_share(1) == cpu_count()
    assert cpu_share(10_000) == 1
