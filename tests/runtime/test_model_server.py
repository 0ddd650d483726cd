"""`ModelServer` in programs: how they end, what they hear of, and what they ask the server that they are."""

import os
import select
from pathlib import Path

import pytest
from tests.runtime.launched import launched

PROGRAM = """
import asyncio
import atexit
import sys
import threading

from kserve import InferInput, InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.model_server import app
from prometheus_client import Counter

counted = Counter("mine", "Of the program's own")

def tell(*words):
    print("told:", *words, file=sys.stderr, flush=True)


class Doubler(Model):
    def load(self):
        self.ready = True

    async def predict(self, payload, headers=None):
        if isinstance(payload, InferRequest):
            return InferResponse(None, self.name, [InferOutput.from_numpy("y", 2 * payload.inputs[0].as_numpy())])
        match payload["instances"]:
            case ["other"]:
                answer, _ = await server.dataplane.infer("second", {"instances": [7]}, headers)
                return answer
            case ["background"]:
                asyncio.get_running_loop().call_soon(int, "background")
        return {"predictions": [2 * x for x in payload["instances"]]}

    async def explain(self, payload, headers=None):
        return {"explained": self.name}

    def get_input_types(self):
        return [{"name": "x", "datatype": "INT64", "shape": [-1]}]

    def stop(self):
        tell("stopped", self.name)


class Server(ModelServer):
    def stop(self, sig=15):
        tell("stop", int(sig))
        super().stop(sig)


@app.get("/asked")
async def asked():
    plane, extension = server.dataplane, server.model_repository_extension
    request = InferRequest("first", [InferInput("x", [1], "INT64", [3])])
    response, _ = await plane.infer("first", request)
    await extension.unload("second")
    without = [entry["name"] for entry in await extension.index(filter_ready=True)]
    await extension.load("second")
    return {
        "infer": response.outputs[0].data,
        "explain": (await plane.explain("second", {"instances": []}))[0],
        "ready": [await plane.ready(), await plane.model_ready("first"), await plane.model_ready("first", True)],
        "live": await plane.live(),
        "name": plane.metadata()["name"],
        "inputs": (await plane.model_metadata("first"))["inputs"],
        "index": [without, [entry["state"] for entry in await extension.index()]],
        "registered": sorted(server.registered_models.get_models()),
        "model": plane.get_model_from_registry("first") is plane.model_registry.get_model("first"),
    }


@app.get("/count")
def count():
    counted.inc(2)


@app.get("/end")
def end():
    threading.Thread(target=server.stop).start()


server = Server()
if "handled" in sys.argv:
    server.register_exception_handler(lambda loop, context: tell("handled", repr(context["exception"])))
server.stop()
atexit.register(tell, "exit")
server.start([Doubler("first"), Doubler("second")])
server.stop()
tell("after start")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return file


def told(log: list[str]) -> list[str]:
    return [line.removeprefix("told: ").rstrip() for line in log if line.startswith("told: ")]


END = ["stopped first", "stopped second", "stop 15", "after start", "exit"]
"""Of every program: models stop once, and the program goes on; it calls `stop` again itself, which does nothing."""


def test_a_signal_calls_stop_and_what_the_program_has_for_its_end(program: Path) -> None:
    with launched(program) as server:
        pass
    assert told(server.log) == ["stop 15", "stop 15", *END]


def test_stop_ends_start_as_a_signal_does(program: Path) -> None:
    with launched(program) as server:
        process = os.pidfd_open(server.pid)
        server.http.get("/end")
        assert select.select([process], [], [], 30)[0]
        os.close(process)
    assert told(server.log) == ["stop 15", "stop 15", "stop 15", *END]


def test_a_program_asks_the_server_that_it_is(program: Path) -> None:
    with launched(program) as server:
        assert server.http.get("/asked").json() == {
            "infer": [6],
            "explain": {"explained": "second"},
            "ready": [True, True, True],
            "live": {"status": "alive"},
            "name": "mooring",
            "inputs": [{"name": "x", "datatype": "INT64", "shape": [-1]}],
            "index": [["first"], ["READY", "READY"]],
            "registered": ["first", "second"],
            "model": True,
        }


def test_a_model_asks_another_one_of_the_server(program: Path) -> None:
    with launched(program) as server:
        answer = server.http.post("/v1/models/first:predict", json={"instances": ["other"]})
        assert answer.json() == {"predictions": [14]}


@pytest.mark.parametrize(("arguments", "line"), [(("handled",), "told: handled ValueError("), ((), "kserve ERROR")])
def test_exceptions_that_nobody_waits_for_are_handled(program: Path, arguments: tuple[str, ...], line: str) -> None:
    with launched(program, *arguments) as server:
        answer = server.http.post("/v1/models/first:predict", json={"instances": ["background"]})
        assert answer.status_code == 200
    assert any(line in each for each in server.log)


def test_metrics_that_a_program_registers_are_shown_beside_the_server_s(program: Path) -> None:
    with launched(program) as server:
        server.http.get("/count")
        lines = server.http.get("/metrics").text.splitlines()
    assert "mine_total 2.0" in lines
    assert sum(line.startswith("process_start_time_seconds ") for line in lines) == 1
