"""Requests to models through the ingress, as the walk-through's curl sends them."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from e2e.kube import Manifest
from e2e.manifests import inference_service
from e2e.namespace import Namespace


def request_body(value: float) -> Manifest:
    """The walk-through's request."""
    return {"inputs": [{"name": "input-0", "shape": [1], "datatype": "FP32", "data": [value]}]}


@dataclass(frozen=True)
class Front:
    """An InferenceService behind the ingress."""

    http: httpx.Client

    def infer(self, model: str, value: float = 1.0) -> httpx.Response:
        """Send one inference request."""
        return self.http.post(f"/v2/models/{model}/infer", json=request_body(value))

    def answer(self, model: str, value: float = 1.0) -> float | None:
        """The model's one number; None when it does not answer 200."""
        try:
            response = self.infer(model, value)
        except httpx.TransportError:
            return None
        if response.status_code != 200:
            return None
        return float(response.json()["outputs"][0]["data"][0])

    def loads(self) -> dict[str, int]:
        """How often the tiny server loaded each of its models."""
        counts: dict[str, int] = self.http.get("/loads").raise_for_status().json()
        return counts

    def index(self) -> set[str]:
        """Models that are READY in the server's repository index; empty when it does not answer."""
        try:
            response = self.http.post("/v2/repository/index", json={})
        except httpx.TransportError:
            return set()
        listed: list[dict[str, Any]] = response.json() if response.status_code == 200 else []
        return {entry["name"] for entry in listed if entry["state"] == "READY"}


@contextmanager
def front(ingress_url: str, host: str) -> Iterator[Front]:
    """A client of the service that has this host name."""
    with httpx.Client(base_url=ingress_url, headers={"Host": host}, timeout=10) as http:
        yield Front(http)


@dataclass(frozen=True)
class Serve:
    """Applies InferenceServices with the tiny server and gives their fronts."""

    space: Namespace
    ingress_url: str
    tiny_image: str
    open: ExitStack
    """Closes the fronts."""

    def __call__(
        self,
        name: str,
        image: str | None = None,
        predictor: Manifest | None = None,
        together: Sequence[Manifest] = (),
        **container: Any,
    ) -> Front:
        """Apply a service, and `together` in the same go; keywords are fields of its container."""
        self.space.apply(*together, inference_service(name, image or self.tiny_image, predictor, **container))
        return self.open.enter_context(front(self.ingress_url, f"{name}.{self.space.name}.example.com"))


@dataclass
class Seen:
    """What a stream of requests saw."""

    answers: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def fail(self, how: str) -> None:
        """Record a failure and where in the stream it was."""
        self.failures.append(f"after {len(self.answers)} answers: {how}")


@contextmanager
def steady_requests(front: Front, model: str) -> Iterator[Seen]:
    """Ask a model again and again while the block runs; every answer and every failure is recorded."""
    seen, over = Seen(), threading.Event()

    def ask() -> None:
        while not over.wait(0.01):
            try:
                response = front.infer(model)
                if response.status_code == 200:
                    seen.answers.append(float(response.json()["outputs"][0]["data"][0]))
                else:
                    seen.fail(f"{response.status_code} {response.text}")
            except httpx.HTTPError as exc:
                seen.fail(repr(exc))

    thread = threading.Thread(target=ask, name="steady-requests")
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
