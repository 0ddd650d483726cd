"""Requests that run through `predict` together: which, with what, and whose answer is whose."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runtime.test_mlserver import Until
from tests.runtime.test_mlserver_serving import ready, ready_server

from mooring_runtime.errors import InferenceError
from mooring_runtime.infer_type import InferInput, InferOutput, InferRequest, InferResponse, RequestedOutput
from mooring_runtime.mlserver.batching import Job, merged, split


def job(rows: list[list[float]], request_id: str | None = None, headers: Any = None, **more: Any) -> Job:
    tensor = InferInput("x", [len(rows), 2], "FP32", data=rows, parameters=more.pop("of_input", None))
    return Job.of(InferRequest("m", [tensor], request_id, **more), headers or {})


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3), min_size=2, max_size=5))
def test_what_was_merged_is_split_again(batches: list[list[tuple[int, int]]]) -> None:
    jobs = [job([[float(a), float(b)] for a, b in rows], str(i)) for i, rows in enumerate(batches)]
    (whole,) = merged(jobs).request.inputs
    assert whole.shape == (sum(map(len, batches)), 2)
    doubled = InferOutput("y", whole.shape, "FP32", whole.as_numpy() * 2, {"content_type": "np"})
    labels = InferOutput("l", [whole.shape[0]], "BYTES", [str(i) for i in range(whole.shape[0])])
    answers = split(InferResponse("whole", "m", [doubled, labels], "3", parameters={"p": 1}), jobs)
    assert [answer.id for answer in answers] == [str(i) for i in range(len(jobs))]
    for answer, rows in zip(answers, batches, strict=True):
        assert answer.outputs[0].as_numpy().tolist() == [[2 * a, 2 * b] for a, b in rows]
        assert (answer.outputs[0].parameters, answer.parameters) == ({"content_type": "np"}, {"p": 1})
        assert (answer.model_name, answer.model_version) == ("m", "3")
    assert [label for answer in answers for label in answer.outputs[1].data] == list(labels.data)


@pytest.mark.parametrize(
    ("other", "together"),
    [
        ({}, True),
        ({"request_id": "another", "headers": {"x-a": "1"}}, True),
        ({"rows": [[1.0, 2.0], [3.0, 4.0]]}, True),
        ({"parameters": {"priority": 1, "timeout": 5}}, True),
        ({"parameters": {"temperature": 1}}, False),
        ({"of_input": {"content_type": "np"}}, False),
        ({"request_outputs": [RequestedOutput("y")]}, False),
    ],
    ids=str,
)
def test_requests_run_together_that_differ_in_rows_ids_headers_and_urgency_alone(
    other: dict[str, Any], together: bool
) -> None:
    one, another = job([[1.0, 2.0]]), job(**({"rows": [[1.0, 2.0]]} | other))
    assert one.batch_key is not None
    assert (one.batch_key == another.batch_key) is together


@pytest.mark.parametrize("shapes", [[[]], [[2], [3]], []], ids=["a scalar", "two sizes", "no inputs"])
def test_requests_without_rows_run_alone(shapes: list[list[int]]) -> None:
    inputs = [InferInput(f"x{i}", shape, "FP32", np.zeros(shape, np.float32)) for i, shape in enumerate(shapes)]
    assert Job.of(InferRequest("m", inputs), {}).batch_key is None


def test_a_merged_request_has_the_headers_that_all_agree_on() -> None:
    jobs = [job([[1.0, 2.0]], headers={"x-id": str(i), "x-tenant": "a"}) for i in range(2)]
    assert merged(jobs).headers == {"x-tenant": "a"}


def test_text_stays_text_and_bytes_stay_bytes() -> None:
    inputs = [InferInput("x", [1], "BYTES", ["a"]), InferInput("x", [1], "BYTES", raw=b"\1\0\0\0\xff")]
    whole = merged([Job.of(InferRequest("m", [one]), {}) for one in inputs])
    assert whole.request.inputs[0].data == ["a", b"\xff"]


@pytest.mark.parametrize("shape", [[], [3, 2]], ids=["a scalar", "another number"])
def test_an_answer_that_does_not_have_the_requests_rows_is_the_model_s_fault(shape: list[int]) -> None:
    output = InferOutput("y", shape, "FP32", np.zeros(shape, np.float32))
    with pytest.raises(InferenceError, match="whose are they"):
        split(InferResponse("i", "m", [output]), [job([[1.0, 2.0]]), job([[1.0, 2.0]])])


MODEL = """
import numpy as np
from mooring_runtime.mlserver import MLModel, types
from mooring_runtime.mlserver.codecs import NumpyCodec
from mooring_runtime.mlserver.errors import InferenceError

class Mine(MLModel):
    async def predict(self, payload):
        x = NumpyCodec.decode_input(payload.inputs[0])
        if (x < 0).any():
            raise InferenceError("less than nothing")
        counts = np.full((len(x), 1), len(x))
        outputs = [NumpyCodec.encode_output("y", x * 2), NumpyCodec.encode_output("together", counts)]
        return types.InferenceResponse(model_name=self.name, outputs=outputs)
"""


def put(folder: Path, **batching: float) -> None:
    (folder / "mine.py").write_text(MODEL)
    (folder / "model-settings.json").write_text(json.dumps({"name": "m", "implementation": "mine.Mine", **batching}))


async def ask(http: httpx.AsyncClient, *values: int) -> Any:
    tensor = {"name": "x", "shape": [len(values), 1], "datatype": "INT64", "data": values}
    answer = await http.post("/v2/models/m/infer", json={"id": f"id {values}", "inputs": [tensor]})
    if answer.status_code != 200:
        return answer.status_code
    document = answer.json()
    doubled, together = (output["data"] for output in document["outputs"])
    return document["id"], doubled, set(together)


async def ask_all(http: httpx.AsyncClient, *requests: tuple[int, ...]) -> list[Any]:
    return list(await asyncio.gather(*(ask(http, *values) for values in requests)))


async def test_requests_that_come_in_time_are_one_call_of_predict(tmp_path: Path, until: Until) -> None:
    put(tmp_path, max_batch_size=3, max_batch_time=60)
    async with ready_server(tmp_path, until) as server:
        answers = await ask_all(server.http, (1,), (2, 3), (4,))
        assert answers == [("id (1,)", [2], {4}), ("id (2, 3)", [4, 6], {4}), ("id (4,)", [8], {4})]
        statistics = (await server.http.get("/v2/models/m/stats")).json()["model_stats"][0]
        assert (statistics["inference_count"], statistics["execution_count"]) == (3, 1)


async def test_a_batch_that_nobody_fills_runs_when_its_time_is_over(tmp_path: Path, until: Until) -> None:
    put(tmp_path, max_batch_size=8, max_batch_time=0.01)
    async with ready(tmp_path, until) as http:
        assert await ask(http, 1) == ("id (1,)", [2], {1})


async def test_one_client_s_mistake_is_told_to_it_alone(tmp_path: Path, until: Until) -> None:
    put(tmp_path, max_batch_size=3, max_batch_time=60)
    async with ready(tmp_path, until) as http:
        answers = await ask_all(http, (1,), (-1,), (4,))
        assert answers == [("id (1,)", [2], {1}), 400, ("id (4,)", [8], {1})]


@pytest.mark.parametrize(("size", "seconds"), [(3, 0), (0, 60), (1, 60)])
async def test_it_takes_both_settings(tmp_path: Path, until: Until, size: int, seconds: int) -> None:
    put(tmp_path, max_batch_size=size, max_batch_time=seconds)
    async with ready(tmp_path, until) as http:
        assert await ask_all(http, (1,), (2,)) == [("id (1,)", [2], {1}), ("id (2,)", [4], {1})]
