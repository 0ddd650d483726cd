"""The command line of `mooring local up` as a running `Local`: checked first, then started."""

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import signal
import socket
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mooring_operator.local.client import Failed
from mooring_operator.local.images import Images
from mooring_operator.local.listeners import who_listens
from mooring_operator.local.loopback import HOST
from mooring_operator.local.up import Local, Options
from mooring_operator.settings import InvalidSettings, Settings


def up(arguments: Namespace, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Run until a signal.

    Raises:
        Failed: a file does not exist, the port is taken, the configuration is wrong, or another `up` has the folder.
    """
    configure_log(verbose=arguments.verbose)
    files, data_dir = tuple(arguments.files), arguments.data_dir.absolute()
    for path in files:
        if not path.exists():
            raise Failed(f"{path} does not exist")
    settings = read_settings(arguments.config)
    with only_one(data_dir), listen(arguments.port) as listener:
        shutil.rmtree(data_dir / "run", ignore_errors=True)  # what a killed `up` left
        shutil.rmtree(data_dir / "logs", ignore_errors=True)
        images = Images(dict(arguments.image))
        options = Options(files, data_dir, Path.cwd(), environ, listener, images, settings)
        asyncio.run(_run(options, say))


class _Brief(logging.Formatter):
    """Errors as their message: what happened to a service is in its status, a traceback is for us."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 (the name is logging's)
        """The message alone."""
        return f"  {ei[1]}"


def configure_log(*, verbose: bool) -> None:
    """Warnings and errors go to standard error, briefly; with `verbose` everything, with tracebacks."""
    handler = logging.StreamHandler()
    handler.setFormatter((logging.Formatter if verbose else _Brief)("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])


async def _run(options: Options, say: Callable[[str], None]) -> None:
    local, loop = Local(options, say), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, local.stop)
    await local.run()


def read_settings(path: Path | None) -> Settings:
    """The operator's configuration, the same file as in a cluster; the defaults without one.

    Raises:
        Failed: names the file and the wrong keys.
    """
    if path is None:
        return Settings()
    try:
        return Settings.parse(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError, InvalidSettings) as exc:
        raise Failed(f"{path}: {exc}") from exc


@contextlib.contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data folder; raises `Failed` when another process has it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            lock.seek(0)
            raise Failed(
                f"another `mooring local up` (process {lock.read().strip()}) uses the data folder {data_dir}; "
                "stop it with `mooring local down`, or give this one a folder of its own: --data-dir DIR"
            ) from exc
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


@contextlib.contextmanager
def listen(port: int) -> Iterator[socket.socket]:
    """The proxy's socket, bound; raises `Failed`, naming who has the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(1024)
        except PermissionError as exc:
            raise Failed(f"port {port} needs root; choose one above 1023: --port 8080") from exc
        except OSError as exc:
            owner = who_listens(port)
            by = f"by {owner}" if owner else f"(`lsof -i :{port}` tells by whom)"
            raise Failed(f"port {port} is taken {by}; stop that, or choose another port: --port {port + 1}") from exc
        yield listener
