"""One container as a process: started, probed, restarted with back-off."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp

from mooring_operator.local import process
from mooring_operator.local.container_state import ContainerState, Exit
from mooring_operator.local.images import Launch
from mooring_operator.local.objects import timestamp
from mooring_operator.local.probes import Probe, watch
from mooring_operator.local.process import Guard, Process

LIVENESS_GRACE_S = 10.0
"""Between SIGTERM and SIGKILL for a container that its liveness probe gave up."""


@dataclass(frozen=True)
class Backoff:
    """Waits before a crashed container starts again: none, then doubling from `first_s` to `longest_s`.

    A run of `stable_s` seconds or more begins the count anew. Kubelet's figures are 10 s, 300 s and 600 s; on one's
    own machine one waits less.
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    stable_s: float = 30.0

    def delay_s(self, crashes: int) -> float:
        """Seconds to wait after the given number of crashes in a row (1 is the first)."""
        return 0.0 if crashes <= 1 else min(self.first_s * 2.0 ** min(crashes - 2, 32), self.longest_s)


@dataclass(frozen=True)
class Container:
    """What to run and how to tell that it is well."""

    name: str
    image: str
    launch: Launch
    env: Mapping[str, str]
    cwd: Path
    log: Path
    readiness: Probe | None = None
    liveness: Probe | None = None
    startup: Probe | None = None
    backoff: Backoff = field(default_factory=Backoff)


class ContainerRunner:
    """Runs one container until it is stopped, or, as an init container, until it succeeds."""

    def __init__(
        self,
        container: Container,
        guard: Guard,
        session: aiohttp.ClientSession,
        changed: Callable[[ContainerState], None],
    ) -> None:
        self._container = container
        self._guard = guard
        self._session = session
        self._changed = changed
        self._process: Process | None = None
        self._stop = asyncio.Event()
        self._grace_s = 0.0
        self.state = ContainerState(container.name, container.image)

    async def run(self, *, once: bool = False) -> None:
        """Keep it running until `stop`; with `once`, return after the first success (init containers)."""
        crashes = 0
        while not self._stop.is_set():
            began = asyncio.get_running_loop().time()
            code = await self._run_process()
            if once and code == 0:
                self._set(done=True, ready=True, running_since="")
                return
            lasted_s = asyncio.get_running_loop().time() - began
            crashes = 1 if lasted_s >= self._container.backoff.stable_s else crashes + 1
            delay_s = self._container.backoff.delay_s(crashes)
            if self._stop.is_set():
                return
            self._set(waiting_reason="CrashLoopBackOff", waiting_message=self._crash_message(delay_s))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), delay_s)
            self._set(restarts=self.state.restarts + 1)

    def _crash_message(self, delay_s: float) -> str:
        end = self.state.last_exit
        tail = f"; its last lines:\n{end.message}" if end and end.message else ""
        return (
            f"{self._container.name} ended with exit status {end.code if end else '?'}, "
            f"starts again in {delay_s:g} s{tail}"
        )

    async def _run_process(self) -> int:
        launch, started_at = self._container.launch, timestamp()
        env = {**self._container.env, **launch.env}
        try:
            self._process = await process.start(launch.argv, env, self._container.cwd, self._container.log, self._guard)
        except OSError as exc:
            return self._ended(127, started_at, f"{launch.argv[0]} cannot be started: {exc.strerror or exc}")
        if self._stop.is_set():  # stop() came while the process was being started
            return await self._process.stop(self._grace_s)
        unprobed = self._container.readiness is None and self._container.startup is None
        self._set(running_since=started_at, ready=unprobed)
        watching = asyncio.create_task(self._watch(env))
        try:
            code = await self._process.wait()
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
        return self._ended(code, started_at, process.last_lines(self._container.log))

    def _ended(self, code: int, started_at: str, message: str) -> int:
        end = Exit(code, started_at, timestamp(), message)
        self._set(ready=False, running_since="", last_exit=end)
        return code

    async def _watch(self, env: Mapping[str, str]) -> None:
        """Readiness and liveness, both after the startup probe's first success."""
        started = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            if (startup := self._container.startup) is not None:
                tasks.create_task(self._probe(startup, env, lambda well: started.set() if well else self._kill()))
                await started.wait()
            if (readiness := self._container.readiness) is not None:
                tasks.create_task(self._probe(readiness, env, lambda well: self._set(ready=well)))
            elif startup is not None:
                self._set(ready=True)
            if (liveness := self._container.liveness) is not None:
                tasks.create_task(self._probe(liveness, env, lambda well: None if well else self._kill()))

    async def _probe(self, probe: Probe, env: Mapping[str, str], verdict: Callable[[bool], None]) -> None:
        await watch(probe, lambda: probe.attempt(self._session, env), verdict)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(LIVENESS_GRACE_S, self._process.signal, signal.SIGKILL)

    async def stop(self, grace_s: float) -> None:
        """End the process (SIGTERM, patience, SIGKILL) and do not start it again."""
        self._grace_s = grace_s
        self._stop.set()
        if self._process is not None:
            await self._process.stop(grace_s)

    def _set(self, **changes: object) -> None:
        state = replace(self.state, **changes)  # type: ignore[arg-type]  # dataclasses.replace has no typed form
        if state != self.state:
            self.state = state
            self._changed(state)
