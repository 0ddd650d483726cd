"""One pod as processes: volumes, init containers, containers, end."""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from mooring_operator.core.observed import Manifest
from mooring_operator.local.blueprint import Blueprint, Site, sources
from mooring_operator.local.container_state import ContainerState, pod_status
from mooring_operator.local.containers import ContainerRunner
from mooring_operator.local.images import UnknownImage, wanted_ports
from mooring_operator.local.loopback import Leases
from mooring_operator.local.objects import Objects, timestamp
from mooring_operator.local.pod_ports import with_actual_ports
from mooring_operator.local.process import Guard
from mooring_operator.local.traffic import Traffic
from mooring_operator.local.volumes import VolumeUnavailable

RETRY_S = 0.3
"""How often a pod looks again for something that it names and that does not exist yet."""
LONGEST_REQUEST_S = 5.0
"""How long SIGTERM waits for requests under way; servers that end well finish longer ones after it."""
GRACE_S = 30.0
"""Kubernetes' default between SIGTERM and SIGKILL."""


@dataclass(frozen=True)
class Machine:
    """What running pods share."""

    site: Site
    objects: Objects
    guard: Guard
    session: aiohttp.ClientSession
    leases: Leases
    traffic: Traffic


class PodRunner:
    """Runs one pod from its manifest until `stop`. The Pod object is made here and removed here."""

    def __init__(self, machine: Machine, manifest: Manifest) -> None:
        self._machine = machine
        spec = manifest["spec"]
        wanted = dict.fromkeys(port for container in spec["containers"] for port in wanted_ports(container))
        ports = {port: machine.leases.lease() for port in wanted}
        self._blueprint = Blueprint(machine.site, manifest, ports)
        self.id = self._blueprint.id
        self._states = {
            container["name"]: ContainerState(container["name"], container["image"])
            for container in (*self._blueprint.inits, *self._blueprint.mains)
        }
        self._runners: list[ContainerRunner] = []
        self._stopping = asyncio.Event()
        machine.objects.apply(with_actual_ports(manifest, ports))
        self._publish()

    async def run(self) -> None:
        """Run until `stop`; returns once the processes and the Pod are gone."""
        try:
            for container in self._blueprint.inits:
                if (runner := await self._prepare(container)) is not None:
                    await runner.run(once=True)
            async with asyncio.TaskGroup() as tasks:
                for container in self._blueprint.mains:
                    tasks.create_task(self._run_main(container))
        finally:
            shutil.rmtree(self._blueprint.folder, ignore_errors=True)
            for port in self._blueprint.ports.values():
                self._machine.leases.release(port)
            self._machine.objects.remove(self.id)

    async def _run_main(self, container: Mapping[str, Any]) -> None:
        if (runner := await self._prepare(container)) is not None:
            await runner.run()

    async def stop(self, grace_s: float | None = None) -> None:
        """Take no new requests, let those under way finish, end all processes; `run` returns afterwards."""
        if grace_s is None:
            given = self._blueprint.manifest["spec"].get("terminationGracePeriodSeconds")
            grace_s = GRACE_S if given is None else float(given)
        self.mark_deleted()
        self._stopping.set()
        ports = frozenset(self._blueprint.ports.values())
        await self._machine.traffic.quiet(ports, min(grace_s / 2, LONGEST_REQUEST_S))
        await asyncio.gather(*(runner.stop(grace_s) for runner in self._runners))

    def mark_deleted(self) -> None:
        """From now on the Pod gets no new requests and counts no more."""
        live = self._machine.objects.get(self.id)
        if live is not None and "deletionTimestamp" not in live["metadata"]:
            self._machine.objects.patch_metadata(self.id, deletionTimestamp=timestamp())

    def refresh_config_map(self, name: str) -> None:
        """Bring the volumes that show the ConfigMap `name` up to date, at once."""
        if (self._blueprint.folder / "volumes").is_dir():
            found = sources(self._machine.objects, self.id.namespace, self._machine.site)
            for volume in self._blueprint.config_map_volumes(name):
                self._blueprint.make_volume(volume, found)

    async def _prepare(self, container: Mapping[str, Any]) -> ContainerRunner | None:
        """A container's runner, as soon as what it names exists; None when the pod is to go before that."""
        while not self._stopping.is_set():
            found = sources(self._machine.objects, self.id.namespace, self._machine.site)
            try:
                folders = self._blueprint.make_volumes(found)
                spec = self._blueprint.container(container, folders, found)
            except (VolumeUnavailable, OSError) as exc:
                self._set_waiting(container["name"], "ContainerCreating", str(exc))
            except UnknownImage as exc:
                self._set_waiting(container["name"], "ErrImageNeverPull", str(exc))
            else:
                runner = ContainerRunner(spec, self._machine.guard, self._machine.session, self._set_state)
                self._runners.append(runner)
                return runner
            try:
                await asyncio.wait_for(self._stopping.wait(), RETRY_S)
            except TimeoutError:
                continue
        return None

    def _set_waiting(self, name: str, reason: str, message: str) -> None:
        self._set_state(replace(self._states[name], waiting_reason=reason, waiting_message=message))

    def _set_state(self, state: ContainerState) -> None:
        self._states[state.name] = state
        self._publish()

    def _publish(self) -> None:
        if (live := self._machine.objects.get(self.id)) is not None:
            inits = [self._states[container["name"]] for container in self._blueprint.inits]
            mains = [self._states[container["name"]] for container in self._blueprint.mains]
            status = pod_status(inits, mains, live.get("status") or {}, timestamp())
            self._machine.objects.set_status(self.id, status)
