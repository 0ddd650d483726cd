"""A multi-model v2 server out of the standard library alone: the tests' stand-in for a user's custom image.

A model is a folder /mnt/models/NAME with a file `factor` that holds a number; infer multiplies the first input by it.
`GET /loads` tells how often each model was loaded, so that a test can see a reload that nobody asked for.

Environment: PORT (8080), START_DELAY_S (seconds before it listens), CRASH (a text: print it and exit with status 3).
"""

import json
import os
import re
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from types import FrameType
from typing import Any

MODELS = Path(os.environ.get("MODEL_DIR", "/mnt/models"))
Answer = tuple[int, Any]


class Models:
    """The loaded models and how often each was loaded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._factors: dict[str, float] = {}
        self._loads: dict[str, int] = {}

    def load(self, name: str) -> Answer:
        """Read the model's folder; loading again replaces it."""
        try:
            factor = float((MODELS / name / "factor").read_text())
        except (OSError, ValueError) as exc:
            return 400, {"error": f"failed to load model {name}: {exc}"}
        with self._lock:
            self._factors[name] = factor
            self._loads[name] = self._loads.get(name, 0) + 1
        return 200, {"name": name, "load": True}

    def unload(self, name: str) -> Answer:
        """Forget the model."""
        with self._lock:
            known = self._factors.pop(name, None) is not None
        return (200, {"name": name, "unload": True}) if known else (404, {"error": f"model {name} is not loaded"})

    def ready(self, name: str) -> Answer:
        """Whether the model is loaded."""
        return (200, {"name": name, "ready": True}) if name in self._factors else self._missing(name)

    def infer(self, name: str, request: dict[str, Any]) -> Answer:
        """The first input times the model's factor."""
        factor = self._factors.get(name)
        if factor is None:
            return self._missing(name)
        tensor = request["inputs"][0]
        data = [value * factor for value in tensor["data"]]
        output = {"name": "output-0", "shape": tensor["shape"], "datatype": tensor["datatype"], "data": data}
        return 200, {"model_name": name, "outputs": [output]}

    def index(self) -> Answer:
        """The repository index."""
        return 200, [{"name": name, "state": "READY", "reason": ""} for name in sorted(self._factors)]

    def loads(self) -> Answer:
        """Loads of each model since the start."""
        return 200, dict(self._loads)

    @staticmethod
    def _missing(name: str) -> Answer:
        return 404, {"error": f"model {name} is not loaded"}


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive over `models`."""

    protocol_version = "HTTP/1.1"
    models = Models()

    def do_GET(self) -> None:
        """Health, readiness, counts."""
        if self.path in ("/", "/v2", "/v2/health/live", "/v2/health/ready"):
            self._answer(200, {"name": "tiny-server", "version": "1", "live": True, "ready": True})
        elif self.path == "/loads":
            self._answer(*self.models.loads())
        elif match := re.fullmatch(r"/v2/models/([^/]+)(/ready)?", self.path):
            self._answer(*self.models.ready(match[1]))
        else:
            self._answer(404, {"error": f"no route {self.path}"})

    def do_POST(self) -> None:
        """Repository calls and inference."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/v2/repository/index":
            self._answer(*self.models.index())
        elif match := re.fullmatch(r"/v2/repository/models/([^/]+)/(load|unload)", self.path):
            self._answer(*(self.models.load if match[2] == "load" else self.models.unload)(match[1]))
        elif match := re.fullmatch(r"/v2/models/([^/]+)/infer", self.path):
            self._answer(*self.models.infer(match[1], json.loads(body)))
        else:
            self._answer(404, {"error": f"no route {self.path}"})

    def _answer(self, status: int, document: Any) -> None:
        payload = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: hundreds of models are hundreds of lines."""


class Server(ThreadingHTTPServer):
    """A queue that takes a burst of load calls."""

    request_queue_size = 128
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without HTTPServer's reverse look-up of the host's name, which can take 10 s."""
        TCPServer.server_bind(self)


def stop(signum: int, _frame: FrameType | None) -> None:
    """End at once: process 1 of a container has no default action for signals."""
    sys.exit(128 + signum)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    if text := os.environ.get("CRASH"):
        print(text, flush=True)
        sys.exit(3)
    time.sleep(float(os.environ.get("START_DELAY_S", "0")))
    Server(("", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
