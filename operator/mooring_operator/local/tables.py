"""What `kubectl get` would print: columns of the CRDs' printer columns, ages in kubectl's short form. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mooring_operator.core.observed import Manifest

Column = tuple[str, Callable[[Manifest], str]]


@dataclass(frozen=True)
class Table:
    """A kind as people ask for it."""

    kind: str
    plural: str
    """As kubectl names it in messages."""
    columns: tuple[Column, ...]
    aliases: tuple[str, ...]


def _condition(body: Manifest, kind: str) -> str:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return next((str(c["status"]) for c in conditions if c["type"] == kind), "")


def _traffic(body: Manifest, key: str, value: object, field: str) -> str:
    predictor = ((body.get("status") or {}).get("components") or {}).get("predictor") or {}
    found: Mapping[str, Any] = next((t for t in predictor.get("traffic") or () if t.get(key) == value), {})
    return str(found.get(field, ""))


def _url(body: Manifest) -> str:
    return str((body.get("status") or {}).get("url", ""))


def _name(body: Manifest) -> str:
    return str(body["metadata"]["name"])


def _pod_ready(body: Manifest) -> str:
    statuses = (body.get("status") or {}).get("containerStatuses") or ()
    return f"{sum(s['ready'] for s in statuses)}/{len(statuses)}"


def _pod_status(body: Manifest) -> str:
    if "deletionTimestamp" in body["metadata"]:
        return "Terminating"
    status = body.get("status") or {}
    for prefix, key in (("Init:", "initContainerStatuses"), ("", "containerStatuses")):
        for container in status.get(key) or ():
            reason = (container["state"].get("waiting") or {}).get("reason")
            if reason is not None and (reason != "ContainerCreating" or not prefix):
                return f"{prefix}{reason}"
    return str(status.get("phase", "Unknown"))


def _restarts(body: Manifest) -> str:
    statuses = (body.get("status") or {}).get("containerStatuses") or ()
    return str(sum(status["restartCount"] for status in statuses))


def _formats(body: Manifest) -> str:
    return ",".join(f["name"] for f in body["spec"].get("supportedModelFormats") or ())


def _containers(body: Manifest) -> str:
    return ",".join(c["name"] for c in body["spec"].get("containers") or ())


def _disabled(body: Manifest) -> str:
    disabled = body["spec"].get("disabled")
    return "" if disabled is None else str(disabled).lower()


_READY: Column = ("READY", lambda body: _condition(body, "Ready"))
_RUNTIME: tuple[Column, ...] = (
    ("NAME", _name),
    ("DISABLED", _disabled),
    ("MODELTYPE", _formats),
    ("CONTAINERS", _containers),
)
TABLES = (
    Table(
        "InferenceService",
        "inferenceservices",
        (
            ("NAME", _name),
            ("URL", _url),
            _READY,
            ("PREV", lambda body: _traffic(body, "tag", "prev", "percent")),
            ("LATEST", lambda body: _traffic(body, "latestRevision", True, "percent")),
            ("PREVROLLEDOUTREVISION", lambda body: _traffic(body, "tag", "prev", "revisionName")),
            ("LATESTREADYREVISION", lambda body: _traffic(body, "latestRevision", True, "revisionName")),
        ),
        ("isvc", "inferenceservice", "inferenceservices"),
    ),
    Table(
        "TrainedModel",
        "trainedmodels",
        (("NAME", _name), ("URL", _url), _READY),
        ("tm", "trainedmodel", "trainedmodels"),
    ),
    Table("ServingRuntime", "servingruntimes", _RUNTIME, ("runtimes", "servingruntime", "servingruntimes")),
    Table(
        "ClusterServingRuntime", "clusterservingruntimes", _RUNTIME, ("clusterservingruntime", "clusterservingruntimes")
    ),
    Table(
        "Pod",
        "pods",
        (("NAME", _name), ("READY", _pod_ready), ("STATUS", _pod_status), ("RESTARTS", _restarts)),
        ("po", "pod", "pods"),
    ),
)
BY_ALIAS: Mapping[str, Table] = {alias: table for table in TABLES for alias in table.aliases}


def render(table: Table, bodies: Sequence[Manifest], now: datetime, *, all_namespaces: bool = False) -> str:
    """The table of the given objects, ending with a newline."""
    columns: list[Column] = list(table.columns)
    if all_namespaces:
        columns.insert(0, ("NAMESPACE", lambda body: str(body["metadata"].get("namespace", ""))))
    columns.append(("AGE", lambda body: age(body["metadata"]["creationTimestamp"], now)))
    return align([[title for title, _ in columns], *([value(body) for _, value in columns] for body in bodies)])


def align(rows: Iterable[Sequence[str]]) -> str:
    """Columns padded to their widest cell, three spaces between, no spaces at line ends."""
    cells = [list(row) for row in rows]
    widths = [max(len(row[index]) for row in cells) for index in range(len(cells[0]))]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "\n".join(lines) + "\n"


def events(dated: Sequence[Mapping[str, Any]], now: datetime) -> str:
    """The table of `kubectl get events`, oldest first."""
    rows = [
        [age(e["time"], now), e["type"], e["reason"], f"{e['kind'].lower()}/{e['name']}", e["message"]] for e in dated
    ]
    return align([["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"], *rows])


def grpc_services(addresses: Mapping[str, str]) -> str:
    """Where each service takes gRPC, a line each."""
    return "".join(f"gRPC of {name}: {address}\n" for name, address in sorted(addresses.items()))


_UNITS = (
    # From this many seconds on: unit, its seconds, smaller unit, its seconds (apimachinery duration.HumanDuration).
    (8 * 365 * 86400, "y", 365 * 86400, "", 1),
    (2 * 365 * 86400, "y", 365 * 86400, "d", 86400),
    (8 * 86400, "d", 86400, "", 1),
    (2 * 86400, "d", 86400, "h", 3600),
    (8 * 3600, "h", 3600, "", 1),
    (3 * 3600, "h", 3600, "m", 60),
    (10 * 60, "m", 60, "", 1),
    (2 * 60, "m", 60, "s", 1),
    (0, "s", 1, "", 1),
)


def age(since: str, now: datetime) -> str:
    """How long ago an RFC 3339 time is, as kubectl says it: 22s, 3m5s, 11m, 5h2m, 3d4h."""
    seconds = max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    _, unit, size, small, small_size = next(row for row in _UNITS if seconds >= row[0])
    rest = seconds % size // small_size if small else 0
    return f"{seconds // size}{unit}" + (f"{rest}{small}" if rest else "")
