"""Metrics of several workers as one: prometheus_client's files, one set a worker, merged by whoever is asked.

A file goes by the number of the worker, not by its process: a replacement counts on where its predecessor ended, totals
never fall, and a server whose workers die now and then keeps as many files as it has workers.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from mooring_runtime.errors import StartupError
from mooring_runtime.metrics import Metrics

_PID = ".pid"
"""Ends the name of a file that tells a worker's process."""


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder for the files, removed after the block.

    Raises:
        StartupError: there is no place for one.
    """
    folder = _new_folder()
    try:
        yield folder
    finally:
        remove(folder)


def _new_folder() -> Path:
    for parent in (None, "/dev/shm"):  # noqa: S108 - a container whose file system is read-only has this one still
        try:
            return Path(tempfile.mkdtemp(prefix="mooring-metrics-", dir=parent))
        except OSError as exc:
            failure = exc
    raise StartupError(f"Workers need a folder for their metrics: {failure}. Mount an emptyDir at /tmp.")


def remove(folder: Path) -> None:
    """Remove the folder, unless that is done."""
    shutil.rmtree(folder, ignore_errors=True)


def enter(folder: Path, index: int, pid: int) -> None:
    """Worker `index` is the process `pid` now."""
    (folder / f"{index}{_PID}").write_text(str(pid))


def forget(folder: Path, index: int, pid: int) -> None:
    """A worker is gone, and with it what its gauges said of the moment; also those of a program's own metrics."""
    (folder / f"{index}{_PID}").unlink(missing_ok=True)
    for identifier in (index, pid):
        mark_process_dead(identifier, str(folder))  # type: ignore[no-untyped-call]  # as the library has it


def worker_metrics(folder: Path, index: int) -> Metrics:
    """Metrics that count into `folder`, where PROMETHEUS_MULTIPROC_DIR points, and show what all workers counted."""
    values.ValueClass = values.MultiProcessValue(lambda: index)  # type: ignore[no-untyped-call]  # as the library has it
    shown = CollectorRegistry()
    MultiProcessCollector(shown, str(folder))  # type: ignore[no-untyped-call]  # as the library has it
    shown.register(Processes(folder))
    return Metrics(CollectorRegistry(), shown)


class Processes(Collector):
    """prometheus_client's `process_*` of every worker, with its number as the label `worker`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Read /proc; a process that has just ended has nothing to tell."""
        merged: dict[str, Metric] = {}
        for file in sorted(self._folder.glob(f"*{_PID}")):
            for family in ProcessCollector(pid=file.read_text, registry=None).collect():
                into = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    into.add_sample(sample.name, {**sample.labels, "worker": file.stem}, sample.value)
        return merged.values()
