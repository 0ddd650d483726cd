"""The figures behind the page, as a file beside it: a scenario that is measured again replaces its own alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter

from bench.runtime.agreement import Agreement
from bench.runtime.rows import Limit, Run

RESULTS = Path(__file__).parents[1] / "results"


@dataclass(frozen=True)
class Stamp:
    """When and where something was measured."""

    when: str
    """UTC, to the minute."""
    commit: str
    machine: str
    processor: str
    """The CPU, or the GPU where that computes."""
    threads: int
    """Of torch."""
    seconds: int
    rounds: int
    peers: Mapping[str, str]
    """Releases by name."""


@dataclass(frozen=True)
class Measured:
    """One scenario."""

    title: str
    stamp: Stamp
    runs: Sequence[Run]
    limits: Mapping[str, Limit] = field(default_factory=dict)
    """By the titles of the servers."""
    agreement: Agreement | None = None
    """Of the fast profile, where that is measured."""


_ADAPTER = TypeAdapter(dict[str, Measured], config=ConfigDict(ser_json_inf_nan="constants"))


def read(file: Path) -> dict[str, Measured]:
    """Scenarios by their names; none where there is no file yet."""
    return _ADAPTER.validate_json(file.read_bytes()) if file.exists() else {}


def write(file: Path, measured: Mapping[str, Measured]) -> None:
    """Replace the file."""
    file.write_bytes(_ADAPTER.dump_json(dict(measured), indent=1) + b"\n")
