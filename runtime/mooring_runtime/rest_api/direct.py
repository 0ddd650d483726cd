"""Requests of models, answered right at the connection: no ASGI, no routing, nothing between the parser and the model.

A small model spends most of its time in what stands before it. So uvicorn's protocol hands the two paths that matter,
`POST /v1/models/M:predict` and `POST /v2/models/M/infer`, straight to `Inference`; the same endpoints of the
application answer them when something of the user's stands in front, or when a request is out of the ordinary.
"""

import re
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mooring_runtime.dataplane import DataPlane
from mooring_runtime.rest_api.exchange import Call, Exchange, Outbox, RawHeaders
from mooring_runtime.rest_api.inference import Inference
from mooring_runtime.rest_api.reading import PIECE_BYTES, Turns

# A name that needs decoding, a query, or any other path: the application's.
_V1 = re.compile(rb"/v1/models/([^/?%\x7f-\xff]+):(predict|explain)")
_V2 = re.compile(rb"/v2/models/([^/?%\x7f-\xff]+)(?:/versions/([^/?%\x7f-\xff]+))?/infer")

_OUT_OF_THE_ORDINARY = frozenset({b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"})
"""Headers of requests that the application reads."""


class Direct:
    """Which requests are answered here, and how.

    Args:
        inference: Answers.
        dataplane: Tells when the server drains.
        max_body_bytes: Longer bodies are the application's to refuse.

    Attributes:
        outbox: How answers leave.
        turns: How large bodies are read.
    """

    def __init__(self, inference: Inference, dataplane: DataPlane, max_body_bytes: int) -> None:
        self.outbox = Outbox(dataplane.draining)
        self.turns = Turns()
        self._inference = inference
        self._max_body_bytes = max_body_bytes

    def call(self, method: bytes, target: bytes, headers: RawHeaders) -> Call | None:
        """What answers a request of these headers; None when the application does."""
        if method != b"POST":
            return None
        for name, value in headers:
            if name in _OUT_OF_THE_ORDINARY or (name == b"content-length" and int(value) > self._max_body_bytes):
                return None
        if found := _V1.fullmatch(target):
            verb = self._inference.predict if found[2] == b"predict" else self._inference.explain
            return partial(verb, model_name=found[1].decode())
        if found := _V2.fullmatch(target):
            version = found[2].decode() if found[2] else None
            return partial(self._inference.infer, model_name=found[1].decode(), model_version=version)
        return None


def answering_directly(base: type[HttpToolsProtocol], direct: Direct) -> type[HttpToolsProtocol]:
    """Make an HTTP protocol for uvicorn of another one: it answers what `direct` says by itself."""

    class Answering(base):  # type: ignore[valid-type, misc]  # a class of which we make one
        cycle: Any

        def on_headers_complete(self) -> None:
            call = direct.call(self.parser.get_method(), self.url, self.headers)
            if call is None:
                super().on_headers_complete()
                return
            version = self.parser.get_http_version()
            self.scope["http_version"] = version
            keep_alive = version != "1.0" and self.parser.should_keep_alive()
            before, exchange = self.cycle, Exchange(self, direct.outbox, call, keep_alive)
            self.cycle = exchange
            if before is None or before.response_complete:
                exchange.start()
            else:
                self.flow.pause_reading()
                self.pipeline.appendleft((exchange, self.app))

        def _start_asgi_task(self, cycle: Any, app: Any) -> None:
            if isinstance(cycle, Exchange):
                cycle.start()
            else:
                super()._start_asgi_task(cycle, app)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if len(data) >= PIECE_BYTES and isinstance(self.cycle, Exchange) and self.cycle.more_body:
                direct.turns.take(self)

        def on_body(self, body: bytes) -> None:
            if isinstance(self.cycle, Exchange):
                self.cycle.pieces.append(body)
            else:
                super().on_body(body)

    return Answering
