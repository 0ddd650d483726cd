"""Follows the agents of running pods, each by one waiting request, so that changes are known at once.

Rings the InferenceService's bell when an agent's word changes. A pod whose agent does not answer is reported as such
after a few tries: what we do not know is not Ready.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import aiohttp
from pydantic import ValidationError

from mooring_api import names
from mooring_api.agent_status import AgentStatus
from mooring_operator.core.observed import AgentReport, Key, Manifest

logger = logging.getLogger(__name__)

WAIT_S = 30.0
"""How long an agent holds a request while nothing changes."""
RETRY_S = (0.1, 5.0)
"""Pause after a failed request: at first (doubling), and at most."""
DOUBT_AFTER = 3
"""Failed requests in a row after which the last answer counts no more."""


@dataclass
class _Follower:
    url: str
    task: asyncio.Task[None]


class AgentFollowers:
    """One task for each followed pod; `run` owns them."""

    def __init__(self, ring: Callable[[Key], None]) -> None:
        self._ring = ring
        self._followers: dict[str, _Follower] = {}
        self._pods_of: dict[Key, set[str]] = {}
        self._reports: dict[str, AgentReport] = {}
        self._session: aiohttp.ClientSession | None = None
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Hold the connections until cancelled."""
        timeout = aiohttp.ClientTimeout(total=WAIT_S + 10, sock_connect=2)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session, asyncio.TaskGroup() as group:
            self._session, self._group = session, group
            await asyncio.Event().wait()

    def reports(self, key: Key) -> Mapping[str, AgentReport]:
        """The last word of each followed pod of `key`, by pod uid; pods that were not asked yet are missing."""
        uids = self._pods_of.get(key, set())
        return {uid: self._reports[uid] for uid in uids if uid in self._reports}

    def follow(self, key: Key, pods: Iterable[Manifest]) -> None:
        """Follow exactly these pods of `key` (those that have an address and an agent)."""
        wanted = {pod["metadata"]["uid"]: url for pod in pods if (url := agent_url(pod)) is not None}
        for uid in self._pods_of.get(key, set()) - wanted.keys():
            self._drop(uid)
        for uid, url in wanted.items():
            current = self._followers.get(uid)
            if current is None or current.url != url or current.task.done():
                self._start(key, uid, url)
        if wanted:
            self._pods_of[key] = set(wanted)
        else:
            self._pods_of.pop(key, None)

    def clear(self) -> None:
        """Follow nobody: another operator is active."""
        for key in tuple(self._pods_of):
            self.follow(key, ())

    def _start(self, key: Key, uid: str, url: str) -> None:
        if self._group is None:
            return
        self._drop(uid)
        task = self._group.create_task(self._follow(key, uid, url), name=f"agent {url}")
        self._followers[uid] = _Follower(url, task)

    def _drop(self, uid: str) -> None:
        if (follower := self._followers.pop(uid, None)) is not None:
            follower.task.cancel()
        self._reports.pop(uid, None)

    async def _follow(self, key: Key, uid: str, url: str) -> None:
        failures, revision, instance = 0, -1, ""
        while True:
            try:
                status = await self._ask(url, revision)
            except (aiohttp.ClientError, TimeoutError, ValidationError, ValueError) as exc:
                failures += 1
                if failures == DOUBT_AFTER:
                    self._report(key, uid, AgentReport(None, f"the agent at {url} does not answer: {exc!r}"))
                revision = -1
                await asyncio.sleep(min(RETRY_S[0] * 2 ** (failures - 1), RETRY_S[1]))
                continue
            failures = 0
            if (status.revision, status.instance) == (revision, instance) and uid in self._reports:
                continue
            revision, instance = status.revision, status.instance
            self._report(key, uid, AgentReport(status))

    async def _ask(self, url: str, revision: int) -> AgentStatus:
        assert self._session is not None  # noqa: S101 run() made it before any follower starts
        query = {"after": str(revision), "timeout_s": str(WAIT_S)} if revision >= 0 else {}
        async with self._session.get(url, params=query) as answer:
            answer.raise_for_status()
            return AgentStatus.model_validate_json(await answer.read())

    def _report(self, key: Key, uid: str, report: AgentReport) -> None:
        if self._reports.get(uid) != report:
            self._reports[uid] = report
            self._ring(key)


def agent_url(pod: Manifest) -> str | None:
    """Where the pod's agent tells its status; None without a running agent or an address."""
    status = pod.get("status") or {}
    address = status.get("podIP")
    if not address or status.get("phase") != "Running" or "deletionTimestamp" in pod["metadata"]:
        return None
    for container in pod["spec"].get("containers") or ():
        if container["name"] == names.CONTAINER_AGENT:
            ports = {p.get("name"): p["containerPort"] for p in container.get("ports") or ()}
            port = ports.get(names.PORT_AGENT_NAME, names.AGENT_PORT)
            host = f"[{address}]" if ":" in address else address
            return f"http://{host}:{port}{names.AGENT_STATUS_PATH}"
    return None
