import math
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
from bench.runtime.load import Load
from bench.runtime.probe import PATH, Probe, Seen, summary


class Health(BaseHTTPRequestHandler):
    """Good, bad, and no answer, in turns."""

    protocol_version = "HTTP/1.1"
    asked = 0
    enough = Event()

    def do_GET(self) -> None:
        turn, Health.asked = Health.asked % 3, Health.asked + 1
        if Health.asked >= 6:
            Health.enough.set()
        if turn == 2:
            self.close_connection = True
            return
        self.send_response(200 if self.path == PATH and turn == 0 else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_it_goes_on_after_bad_answers_and_closed_connections(port: int) -> None:
    probe = Probe(port)
    probe.start()
    assert Health.enough.wait(10)
    seen = probe.seen(1.0)
    assert len(seen.times_s) >= 2
    assert seen.failed >= 3


def test_a_server_that_never_answers_well_has_no_finite_time() -> None:
    seen = summary([Seen((), 3, 1.0)])
    assert seen is not None
    assert (seen.answered, seen.failed, seen.p99_s) == (0, 3, math.inf)


def test_the_answers_of_all_rounds_count() -> None:
    slow = (0.5,)
    assert summary([Seen((0.001,) * 99, 0, 2.0), Seen(slow, 1, 2.0)]) == Load(100, 1, 4.0, 0.001, 0.001)
    assert summary([Seen((0.001,) * 98, 0, 2.0), Seen(slow * 2, 0, 2.0)]) == Load(100, 0, 4.0, 0.001, 0.5)
    assert summary([]) is None
