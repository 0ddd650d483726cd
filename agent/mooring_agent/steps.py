"""Carrying out the steps of `plan`: each does one thing, and notes in `life.seen` what is true now."""

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from time import monotonic

from mooring_agent import errors
from mooring_agent.disk import Disk
from mooring_agent.life import Life
from mooring_agent.metrics import Metrics
from mooring_agent.plan import Backoff, Observed, Step
from mooring_agent.runtime_client import Readiness, RuntimeClient
from mooring_agent.runtime_watch import RuntimeWatch
from mooring_agent.status import Board
from mooring_agent.storage import Storage, parse
from mooring_agent.storage.folder import Folder
from mooring_api import model_config, names
from mooring_api.agent_status import ModelState

_log = logging.getLogger(__name__)

_READY_POLL_S = 0.1


@dataclass(frozen=True)
class Tools:
    """What the steps of every model share."""

    disk: Disk
    storage: Storage
    client: RuntimeClient
    watch: RuntimeWatch
    board: Board
    metrics: Metrics
    backoff: Backoff
    load_timeout_s: float
    downloads: asyncio.Semaphore
    loads: asyncio.Semaphore


async def take(step: Step, life: Life, tools: Tools) -> None:
    """Take `step`; KEEP and FORGET need no hand.

    Raises:
        ModelError: it failed; `life.seen` is true all the same.
    """
    await _STEPS[step](life, tools)


async def _fetch(life: Life, tools: Tools) -> None:
    spec = life.spec
    if spec is None:
        return
    life.attempts += 1
    if re.fullmatch(names.MODEL_NAME_PATTERN, life.name) is None:
        raise errors.InvalidName(f"model name {life.name!r} is not allowed; use letters, digits, '-' and '_'")
    uri = parse(spec.storage_uri)
    async with tools.downloads:
        if life.failure is None:
            _log.info("Downloading model from %s", uri.redacted)
        began = monotonic()
        folder = life.folder = Folder(tools.disk.begin(life.name), uri.redacted)
        tools.board.put(life.described(ModelState.DOWNLOADING))
        life.fingerprint = await tools.storage.fetch(uri, folder)
    tools.disk.stage(life.name, folder.path, spec)
    life.seen = replace(life.seen, staged=model_config.download_id(spec), refused=None)
    tools.metrics.fetches.observe(monotonic() - began)
    tools.metrics.fetched_bytes.inc(folder.bytes_done)


async def _swap(life: Life, tools: Tools) -> None:
    seen = life.seen
    if seen.refused == seen.staged and await _was_uploaded_again(life, tools):
        life.seen = replace(seen, staged=None)
        return
    has_old = tools.disk.swap(life.name)
    life.seen = replace(life.seen, in_place=seen.staged, staged=None, previous=seen.in_place if has_old else None)


async def _restore(life: Life, tools: Tools) -> None:
    tools.disk.restore(life.name)
    seen = life.seen
    life.seen = replace(seen, in_place=seen.previous, staged=seen.in_place, previous=None)


async def _check(life: Life, tools: Tools) -> None:
    """After this agent restarted: what the server has need not be loaded again."""
    await tools.watch.wait_up()
    async with tools.loads:
        readiness = await tools.client.readiness(life.name)
    loaded = life.seen.in_place if readiness is Readiness.READY else None
    life.seen = replace(life.seen, is_recovered=False, loaded=loaded)
    if loaded is not None and loaded == life.wanted:
        _loaded_as_wanted(life, tools)


async def _load(life: Life, tools: Tools) -> None:
    version = life.seen.in_place
    is_wanted = version == life.wanted
    if is_wanted and life.seen.refused == version:
        life.attempts += 1
        if await _was_uploaded_again(life, tools):
            life.seen = replace(life.seen, in_place=None)
            return
    if not tools.watch.is_up:
        waiting = errors.RuntimeUnreachable("the model server does not answer yet; loading as soon as it does")
        tools.board.put(life.described(ModelState.LOADING, waiting))
        await tools.watch.wait_up()
    tools.board.put(life.described(ModelState.LOADING))
    life.seen = replace(life.seen, may_be_loaded=True)
    async with tools.loads:
        began = monotonic()
        try:
            await tools.client.load(life.name)
            await _confirm(life, tools)
        except errors.LoadFailed:
            await _note_refusal(life, tools)
            raise
    tools.metrics.loads.observe(monotonic() - began)
    life.seen = replace(life.seen, loaded=version)
    _log.info("Successfully loaded model %s", life.name)
    if is_wanted:
        _loaded_as_wanted(life, tools)
    else:
        tools.board.put(life.described(ModelState.FAILED if life.failure else ModelState.PENDING))


async def _confirm(life: Life, tools: Tools) -> None:
    """Wait until the server says that the model is ready: some load in the background."""
    deadline = monotonic() + tools.load_timeout_s
    while True:
        readiness = await tools.client.readiness(life.name)
        tools.watch.learn(readiness)
        if readiness in (Readiness.READY, Readiness.NOT_FOUND):
            return
        if monotonic() > deadline:
            raise errors.LoadFailed(f"model {life.name!r}: the server took the load but the model never became ready")
        await asyncio.sleep(_READY_POLL_S)


async def _note_refusal(life: Life, tools: Tools) -> None:
    """The server may have lost what it had: put the version before back in place; it is loaded next."""
    if life.seen.in_place != life.wanted:
        life.attempts += 1
    life.seen = replace(life.seen, refused=life.seen.in_place, loaded=None)
    if life.seen.previous is not None:
        await _restore(life, tools)


async def _was_uploaded_again(life: Life, tools: Tools) -> bool:
    """Whether what the server refused is not what the storage has now."""
    if life.spec is None or life.fingerprint is None:
        return False
    try:
        return await tools.storage.fingerprint(parse(life.spec.storage_uri)) != life.fingerprint
    except errors.StorageError:
        return False  # trying the load again needs no storage


def _loaded_as_wanted(life: Life, tools: Tools) -> None:
    life.failure = None
    life.was_attempted = True
    tools.board.put(life.described(ModelState.LOADED))


async def _commit(life: Life, tools: Tools) -> None:
    await asyncio.to_thread(tools.disk.commit, life.name)
    life.seen = replace(life.seen, staged=None, previous=None)


async def _unload(life: Life, tools: Tools) -> None:
    tools.board.put(life.described(ModelState.UNLOADING))
    await tools.watch.wait_up()
    async with tools.loads:
        await tools.client.unload(life.name)
    life.seen = replace(life.seen, loaded=None, may_be_loaded=False, is_recovered=False)
    _log.info("Successfully unloaded model %s", life.name)


async def _delete(life: Life, tools: Tools) -> None:
    await asyncio.to_thread(tools.disk.delete, life.name)
    life.seen = Observed()


_STEPS: Mapping[Step, Callable[[Life, Tools], Coroutine[None, None, None]]] = {
    Step.FETCH: _fetch,
    Step.SWAP: _swap,
    Step.RESTORE: _restore,
    Step.CHECK: _check,
    Step.LOAD: _load,
    Step.COMMIT: _commit,
    Step.UNLOAD: _unload,
    Step.DELETE: _delete,
}
