"""`mooring-operator`: reads its configuration, then operates until a signal.

Exit status: 0 after a signal, 2 when the configuration is wrong, 1 when there is no cluster. The reason is the last
line on stderr, where `kubectl describe pod` shows it.
"""

import argparse
import asyncio
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from mooring_operator import log
from mooring_operator.cluster import KubernetesCluster, login
from mooring_operator.metrics import ApiMetrics
from mooring_operator.operate import Operator, Process
from mooring_operator.ports import ClusterError
from mooring_operator.settings import InvalidSettings, Settings

SWITCH_INTERVAL_S = 0.0005
"""CPython lets a busy thread keep the interpreter for 5 ms by default: request threads, which need it for microseconds
several times a request, would wait for the event loop each time (measured: half the requests a second)."""
THREADS_PER_WORKER = 4
"""A worker applies the children of one service side by side; on a busy API server their latencies would add up."""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """The command line."""
    arguments = _parser().parse_args(argv)
    environ = os.environ if environ is None else environ
    log.configure(arguments.log_level)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        settings = load_settings(arguments.config)
        configuration = login()
    except InvalidSettings as exc:
        return _fail(str(exc), 2)
    except ClusterError as exc:
        return _fail(str(exc), 1)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    started = datetime.now(UTC)
    process = Process(
        identity=environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        started=started,
        namespace=arguments.namespace,
        http_port=arguments.http_port,
    )
    cluster = KubernetesCluster(configuration, ApiMetrics(registry), threads=THREADS_PER_WORKER * settings.workers)
    try:
        asyncio.run(_operate(cluster, settings, process, registry))
    finally:
        cluster.close()
    return 0


async def _operate(
    cluster: KubernetesCluster, settings: Settings, process: Process, registry: CollectorRegistry
) -> None:
    await Operator(cluster, settings, process, registry).run()


def load_settings(path: Path | None) -> Settings:
    """Settings from a YAML file; the defaults without one.

    Raises:
        InvalidSettings: the file cannot be read, is not YAML, or has wrong keys.
    """
    if path is None:
        return Settings()
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as exc:
        fault = " ".join(str(exc).split())
        raise InvalidSettings(f"operator configuration {path}: {fault}") from exc
    return Settings.parse(document)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mooring-operator", description="The Mooring operator.")
    parser.add_argument("--config", type=Path, help="YAML file with the configuration (default: built-in defaults)")
    parser.add_argument("--namespace", help="watch this namespace only (default: all)")
    parser.add_argument("--http-port", type=int, default=8080, help="port of /healthz and /metrics (default: 8080)")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return parser


def _fail(message: str, status: int) -> int:
    print(message, file=sys.stderr)  # noqa: T201 the last word of a process that could not start
    return status


if __name__ == "__main__":
    sys.exit(main())
