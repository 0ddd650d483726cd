"""The other `mooring local` commands: they ask the running `up` over its socket and print."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from mooring_operator.local import tables
from mooring_operator.local.files import expand
from mooring_operator.local.manifests import read
from mooring_operator.local.meeting_point import socket_path

Say = Callable[[str], None]
FOLLOW_S = 0.2
"""How often `logs -f` looks for new lines and new pods."""


class Failed(Exception):
    """The command failed; the message is for the user."""


def say(text: str) -> None:
    """Print to standard output at once, also into a pipe."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


class Client:
    """Talks to the `up` of a data folder."""

    def __init__(self, data_dir: Path, say: Say = say) -> None:
        self._data_dir = data_dir
        self._say = say

    def request(self, method: str, path: str, query: Mapping[str, str] | None = None, body: object = None) -> Any:
        """One request.

        Raises:
            Failed: nothing is running there, or it said no.
        """
        return asyncio.run(self.ask(method, path, query, body))

    async def ask(self, method: str, path: str, query: Mapping[str, str] | None = None, body: object = None) -> Any:
        """The same, inside of an event loop."""
        connector = aiohttp.UnixConnector(str(socket_path(self._data_dir)))
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session,
                session.request(method, f"http://local{path}", params=query or {}, json=body) as answer,
            ):
                text = await answer.text()
                if answer.status >= 400:
                    raise Failed(json.loads(text)["error"] if text.startswith("{") else text)
                return json.loads(text)
        except aiohttp.ClientConnectorError as exc:
            where = f"data folder {self._data_dir}"
            raise Failed(f"nothing is running here ({where}); start it with: mooring local up FILE...") from exc

    def get(self, alias: str, name: str | None, namespace: str | None, output: str) -> None:
        """`get KIND [NAME]`; a namespace of None means all."""
        table = tables.BY_ALIAS[alias]
        kinds = [table] if alias != "runtimes" else [table, tables.BY_ALIAS["clusterservingruntime"]]
        found: list[tuple[tables.Table, list[Any]]] = []
        grpc: dict[str, str] = {}
        for kind in kinds:
            scope = {"namespace": namespace} if namespace and kind.kind != "ClusterServingRuntime" else {}
            answer = self.request("GET", f"/objects/{kind.kind}", scope | ({"name": name} if name else {}))
            found.append((kind, answer["items"]))
            grpc = answer["grpc"]
        items = [item for _, listed in found for item in listed]
        if name and not items:
            raise Failed(f"{table.plural} {name!r} not found" + (f" in namespace {namespace}" if namespace else ""))
        if output != "table":
            self._say(_document(items if not name else items[0], output, single=name is not None))
            return
        if not items:
            self._say("No resources found" + (f" in {namespace} namespace." if namespace else "."))
        for kind, listed in found:
            if listed:
                self._say(tables.render(kind, listed, datetime.now(UTC), all_namespaces=namespace is None))
        if table.kind == "InferenceService" and items and grpc:
            shown = {f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in items}
            if text := tables.grpc_services({key: address for key, address in grpc.items() if key in shown}):
                self._say(text)

    def delete(self, alias: str, name: str, namespace: str) -> None:
        """`delete KIND NAME`: from the running cluster; the file is not touched."""
        kind = tables.BY_ALIAS[alias].kind
        answer = self.request("DELETE", f"/objects/{kind}/{namespace}/{name}")
        self._say(f'{answer["title"].partition("/")[0]} "{name}" deleted')

    def apply(self, paths: Iterable[Path], environ: Mapping[str, str] = os.environ) -> None:
        """`apply -f FILE`: once, without watching the file."""
        bodies, faults = [], []
        for path in expand(paths):
            try:
                reading = read(path.read_text(), str(path), environ)
            except OSError as exc:
                raise Failed(f"{path}: {exc.strerror}") from exc
            bodies += [document.body for document in reading.documents]
            faults += [str(fault) for fault in reading.faults]
            for note in reading.ignored:
                self._say(note)
        answer = self.request("POST", "/apply", body={"items": bodies})
        for line in answer["lines"]:
            self._say(line)
        if faults := [*faults, *answer["faults"]]:
            raise Failed("\n".join(faults))

    def events(self, namespace: str | None) -> None:
        """`events`."""
        items = self.request("GET", "/events", {"namespace": namespace} if namespace else {})["items"]
        self._say(tables.events(items, datetime.now(UTC)) if items else "No events.")

    def down(self) -> None:
        """`down`: ask to stop, wait until everything has ended."""
        self.request("POST", "/down")
        deadline = time.monotonic() + 60
        while socket_path(self._data_dir).exists():
            if time.monotonic() > deadline:
                raise Failed("it is still stopping after 60 s; see its terminal")
            time.sleep(0.05)
        self._say("stopped")

    def logs(self, name: str, namespace: str, container: str | None, *, follow: bool) -> None:
        """`logs NAME [-c CONTAINER] [-f]`: of all its pods, oldest first."""
        query = {"container": container} if container else {}
        offsets: dict[str, int] = {}
        while True:
            files: dict[str, str] = self.request("GET", f"/logs/{namespace}/{name}", query)["files"]
            texts = {pod: _news(Path(path), offsets) for pod, path in files.items()}
            if not follow and not any(texts.values()):
                raise Failed(f"{container or 'the model server'} of {name} has printed nothing (yet)")
            for text in texts.values():
                if text:
                    self._say(text)
            if not follow:
                return
            time.sleep(FOLLOW_S)


def _news(path: Path, offsets: dict[str, int]) -> str:
    """What a log file got since the last look: whole lines."""
    try:
        with path.open("rb") as source:
            source.seek(offsets.get(str(path), 0))
            data = source.read()
    except FileNotFoundError:
        return ""
    whole = data[: data.rfind(b"\n") + 1]
    offsets[str(path)] = offsets.get(str(path), 0) + len(whole)
    return whole.decode(errors="replace")


def _document(value: Any, output: str, *, single: bool) -> str:
    wrapped = value if single else {"apiVersion": "v1", "kind": "List", "items": value}
    return json.dumps(wrapped, indent=2) if output == "json" else yaml.safe_dump(wrapped, sort_keys=False)
