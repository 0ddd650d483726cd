"""What the demo stands on: a running `mooring local up`, requests to it, and lines for people."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mooring_operator.local.client import Client, Failed
from mooring_operator.local.demo_storage import DIRECT
from mooring_operator.local.loopback import HOST
from mooring_operator.local.process import Guard, last_lines

INDENT = "      "


@dataclass
class Stage:
    """One run of the demo."""

    folder: Path
    port: int
    guard: Guard
    environ: Mapping[str, str]
    say: Callable[[str], None]
    steps: int
    _step: int = 0
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def data_dir(self) -> Path:
        """Of `mooring local up`."""
        return self.folder / "data"

    @property
    def up_log(self) -> Path:
        """What `up` prints."""
        return self.folder / "up.log"

    def client(self) -> Client:
        """The other commands; what they print is shown."""
        return Client(self.data_dir, self.show)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A numbered step; says how long it took."""
        self._step += 1
        self.say(f"\n[{self._step}/{self.steps}] {title}")
        began = time.monotonic()
        yield
        self.say(f"{INDENT}✓ {time.monotonic() - began:.1f} s")

    def show(self, text: str) -> None:
        """Output of a command, indented."""
        self.say(textwrap.indent(text.rstrip("\n"), INDENT))

    def command(self, *words: str) -> None:
        """A command, as one would type it."""
        self.show("$ " + " ".join(words))

    def start_up(self, *files: Path) -> None:
        """Start `mooring local up` and wait for it."""
        argv = [sys.executable, "-m", "mooring_operator.cli", "local", "up", *map(str, files)]
        argv += ["--port", str(self.port), "--data-dir", str(self.data_dir)]
        with self.up_log.open("ab") as output:
            self._processes.append(
                subprocess.Popen(  # noqa: S603 (our own command)
                    argv,
                    stdout=output,
                    stderr=output,
                    env=dict(self.environ),
                    start_new_session=True,
                    preexec_fn=self.guard.enter_current_process,
                )
            )
        self.until("`mooring local up` answers", self._is_up)

    def _is_up(self) -> bool:
        if self._processes[-1].poll() is not None:
            raise Failed("`mooring local up` ended")
        try:
            self.client().request("GET", "/objects/InferenceService")
        except Failed:
            return False
        return True

    def objects(self, kind: str) -> list[Any]:
        """What `get` would list."""
        return list(self.client().request("GET", f"/objects/{kind}")["items"])

    def is_ready(self, kind: str, names: Sequence[str]) -> bool:
        """Whether all of these are Ready."""
        ready = {
            body["metadata"]["name"]
            for body in self.objects(kind)
            for condition in (body.get("status") or {}).get("conditions") or ()
            if (condition["type"], condition["status"]) == ("Ready", "True")
        }
        return ready >= set(names)

    def until(self, what: str, holds: Callable[[], bool], patience_s: float = 120.0) -> None:
        """Wait; raises `Failed` with the last lines of `up` when it takes too long."""
        deadline = time.monotonic() + patience_s
        while not holds():
            if time.monotonic() > deadline:
                raise Failed(f"waited {patience_s:g} s in vain until {what}\n{last_lines(self.up_log, 20)}")
            time.sleep(0.1)

    def curl(self, path: str, body: str, host: str | None = None, *, shown_body: str | None = None) -> tuple[int, Any]:
        """Send a request, shown as the curl command that it stands for; returns status and answer."""
        url = f"http://localhost:{self.port}{path}"
        header = f'-H "Host: {host}" ' if host else ""
        self.show(f"$ curl {header}\\\n    {url} \\\n    -d {shown_body or shlex.quote(body)}")
        request = urllib.request.Request(
            f"http://{HOST}:{self.port}{path}", data=body.encode(), headers={"Host": host} if host else {}
        )
        try:
            with DIRECT.open(request, timeout=30) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as exc:
            status, text = exc.code, exc.read().decode()
        self.show(text if status == 200 else f"HTTP {status} {text}")
        return status, json.loads(text)

    def status_of(self, path: str, host: str) -> int:
        """HTTP status of a GET, without showing it."""
        request = urllib.request.Request(f"http://{HOST}:{self.port}{path}", headers={"Host": host})
        try:
            with DIRECT.open(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as exc:
            return exc.code

    def agent_log(self, service: str, say: Callable[[str], None]) -> None:
        """What `logs SERVICE -c agent` prints."""
        Client(self.data_dir, say).logs(service, "default", "agent", follow=False)

    def close(self) -> None:
        """End everything that was started, the newest first; what does not end is killed."""
        for process in reversed(self._processes):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self.guard.forget(process.pid)

    def keep(self, process: subprocess.Popen[bytes]) -> None:
        """End this process too."""
        self._processes.append(process)

    def stop_up(self) -> int:
        """`mooring local down`; returns the exit status of `up`."""
        self.client().down()
        process = self._processes.pop()
        code = process.wait(15)
        self.guard.forget(process.pid)
        return code


def expect(true: bool, what: str) -> None:
    """Raises `Failed` when the demo does not show what it promises."""
    if not true:
        raise Failed(f"this is not as it should be: {what}")
