"""The agent's process: settings, start order, signals (their one owner), ordered shutdown."""

import asyncio
import logging
import os
import signal
import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from mooring_agent import config_source, log
from mooring_agent.errors import InvalidSettings
from mooring_agent.metrics import Metrics
from mooring_agent.runtime_client import RuntimeClient
from mooring_agent.server import application
from mooring_agent.settings import Settings
from mooring_agent.storage import Storage
from mooring_agent.sync import Sync

_log = logging.getLogger("mooring_agent.main")  # also under `python -m`, where the name is __main__

_CLOSE_S = 2.0


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Listen first (probes get answers from the start), then follow the model list until `stop` is set."""
    metrics = Metrics(CollectorRegistry())
    storage = Storage(settings.storage, settings.max_downloads)
    base_url = f"http://127.0.0.1:{settings.component_port}"
    async with RuntimeClient(base_url, settings.load_timeout_s) as client:
        sync = Sync(settings, client, storage, metrics, instance=uuid.uuid4().hex)
        app = application(sync.board, metrics, sync if settings.is_pulling else None)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
            _log.info("Listening on %s, model server at %s", runner.addresses[0], base_url)
            await _follow_until(stop, sync, settings)
        finally:
            await runner.cleanup()
            storage.close()


async def _follow_until(stop: asyncio.Event, sync: Sync, settings: Settings) -> None:
    tasks: set[asyncio.Task[Any]] = {asyncio.create_task(stop.wait())}
    if settings.is_pulling:
        lists = config_source.follow(settings.config_dir, settings.config_poll_s)
        tasks.add(asyncio.create_task(sync.run(lists)))
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


async def _run_until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)
    _log.info("Stopped")


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the agent until SIGTERM or SIGINT; 2 means that its settings are wrong."""
    log.configure()
    try:
        settings = Settings.parse(sys.argv[1:] if argv is None else argv, environ)
    except InvalidSettings as exc:
        _log.error("%s", exc)
        return 2
    os.umask(0o022)  # the model server reads the files under another user
    try:
        asyncio.run(_run_until_signal(settings))
    except OSError as exc:
        _log.error("Failed to start: %s", exc)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
