"""Probes of a pod's manifest, truly executed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from mooring_operator.local.loopback import HOST

FAST_PERIOD_S = 0.1
"""Until a container first answers it is asked this often: nobody waits for the rest of a period."""
FAST_EXEC_PERIOD_S = 0.5
"""The same for commands, which cost more than a request."""
_HEADERS = {"User-Agent": "kube-probe/1.34"}


@dataclass(frozen=True)
class Probe:
    """One probe, with Kubernetes' defaults filled in (times in seconds)."""

    handler: Mapping[str, Any]
    port: int | None
    initial_delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3

    @classmethod
    def parse(cls, manifest: Mapping[str, Any], actual_port: Callable[[int | str], int]) -> "Probe":
        """From a manifest; `actual_port` turns its port (number or name) into the one on this machine."""
        kinds = ("httpGet", "tcpSocket", "grpc", "exec")
        handler = {kind: manifest[kind] for kind in kinds if kind in manifest}
        named = next((value.get("port") for kind, value in handler.items() if kind != "exec"), None)
        return cls(
            handler,
            None if named is None else actual_port(named),
            manifest.get("initialDelaySeconds") or 0,
            manifest.get("periodSeconds") or 10,
            manifest.get("timeoutSeconds") or 1,
            manifest.get("successThreshold") or 1,
            manifest.get("failureThreshold") or 3,
        )

    async def attempt(self, session: aiohttp.ClientSession, env: Mapping[str, str]) -> str | None:
        """Ask once: None when the container is well, else what is wrong. gRPC probes only connect."""
        try:
            async with asyncio.timeout(self.timeout_s):
                if "exec" in self.handler:
                    return await _run(self.handler["exec"].get("command") or ["false"], env)
                if "httpGet" in self.handler:
                    return await self._get(session, self.handler["httpGet"])
                await self._connect()
                return None
        except TimeoutError:
            return f"no answer within {self.timeout_s:g} s"
        except (OSError, aiohttp.ClientError, ValueError) as exc:  # ValueError: a header or path that cannot be sent
            return str(exc)

    async def _get(self, session: aiohttp.ClientSession, http: Mapping[str, Any]) -> str | None:
        headers = _HEADERS | {header["name"]: header["value"] for header in http.get("httpHeaders") or ()}
        path = "/" + (http.get("path") or "/").lstrip("/")
        async with session.get(f"http://{HOST}:{self.port}{path}", headers=headers, allow_redirects=False) as answer:
            body = await answer.text(errors="replace")
            return None if 200 <= answer.status < 400 else f"GET {path}: HTTP {answer.status} {body[:200]}".strip()

    async def _connect(self) -> None:
        _, writer = await asyncio.open_connection(HOST, self.port)
        writer.close()


async def _run(command: list[str], env: Mapping[str, str]) -> str | None:
    process = await asyncio.create_subprocess_exec(
        *command, env=dict(env), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    tail = output[-200:].decode(errors="replace")
    return None if process.returncode == 0 else f"exit status {process.returncode}: {tail}"


async def watch(probe: Probe, ask: Callable[[], Awaitable[str | None]], report: Callable[[bool], None]) -> None:
    """Probe for ever; `report(is_well)` is called when thresholds turn the verdict, which begins as not well.

    Also called once after `failure_threshold` failures from the start, so that a startup or liveness probe can end the
    container. Before the first success the period is short (see FAST_PERIOD_S).
    """
    await asyncio.sleep(probe.initial_delay_s)
    verdict: bool | None = None
    successes = failures = 0
    clock = asyncio.get_running_loop().time
    fast_s = min(probe.period_s, FAST_EXEC_PERIOD_S if "exec" in probe.handler else FAST_PERIOD_S)
    patience_ends = clock() + probe.period_s * probe.failure_threshold
    while True:
        fault = await ask()
        successes, failures = (successes + 1, 0) if fault is None else (0, failures + 1)
        given_up = clock() >= patience_ends if verdict is None else failures >= probe.failure_threshold
        if fault is None and verdict is not True and successes >= probe.success_threshold:
            verdict = True
            report(True)
        elif fault is not None and verdict is not False and given_up:
            verdict = False
            report(False)
        await asyncio.sleep(probe.period_s if verdict else fast_s)
