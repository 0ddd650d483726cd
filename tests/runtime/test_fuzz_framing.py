"""Raw tensors over REST and gRPC: what is whole comes back, what is broken is the client's mistake."""

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import hypothesis.strategies as st
import pytest
from hypothesis import example, given
from tests.runtime.launched import Running, launched

from mooring_runtime.grpc_api.messages import POOL, SERVICE, ModelInferRequest, ModelInferResponse

SIZES = {"BOOL": 1, "INT8": 1, "UINT16": 2, "FP16": 2, "BF16": 2, "FP32": 4, "INT64": 8, "FP64": 8}
Tensor = tuple[str, list[int], bytes]
"""Datatype, shape, raw bytes."""

SHAPES = st.lists(st.integers(0, 3), max_size=3)


def count(shape: list[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def framed(parts: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """A tensor whose bytes fit it."""
    datatype, shape = draw(st.sampled_from([*SIZES, "BYTES"])), draw(SHAPES)
    if datatype == "BYTES":
        return datatype, shape, framed([draw(st.binary(max_size=5)) for _ in range(count(shape))])
    if datatype == "BOOL":
        return datatype, shape, bytes(draw(st.integers(0, 1)) for _ in range(count(shape)))
    size = SIZES[datatype] * count(shape)
    raw = draw(st.binary(min_size=size, max_size=size))
    if datatype == "BF16":  # without NaN, whose bits the way by float32 may change
        raw = bytes(byte & 0xFE if index % 2 else byte for index, byte in enumerate(raw))
    return datatype, shape, raw


def head(sent: list[Tensor], sizes: list[Any]) -> bytes:
    inputs = [
        {"name": f"x{index}", "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}
        for index, ((datatype, shape, _), size) in enumerate(zip(sent, sizes, strict=True))
    ]
    return json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with launched(Path(__file__).with_name("fuzz_models.py"), "--enable_latency_logging", "false") as running:
        yield running


@pytest.fixture(scope="module")
def channel(server: Running) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield channel


@pytest.fixture(scope="module")
def infer(channel: Any) -> Any:
    return channel.unary_unary(
        f"/{SERVICE}/ModelInfer",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=ModelInferResponse.FromString,
    )


def post(server: Running, body: bytes, header: str | None, verb: str = "infer") -> tuple[int, bytes, str | None]:
    headers = {} if header is None else {"Inference-Header-Content-Length": header}
    answer = server.http.post(f"/v2/models/echo/{verb}", content=body, headers=headers)
    assert answer.status_code == 200 or answer.json().keys() == {"error"}
    return answer.status_code, answer.content, answer.headers.get("inference-header-content-length")


@given(st.lists(tensors(), max_size=3))
def test_whole_bodies_come_back(server: Running, sent: list[Tensor]) -> None:
    document = head(sent, [len(raw) for _, _, raw in sent])
    tail = b"".join(raw for _, _, raw in sent)
    status, body, length = post(server, document + tail, str(len(document)))
    assert status == 200
    if sent:
        assert length is not None
        assert body[int(length) :] == tail
        told = json.loads(body[: int(length)])["outputs"]
        assert [(output["datatype"], output["shape"]) for output in told] == [(kind, shape) for kind, shape, _ in sent]


@given(st.lists(tensors(), min_size=1, max_size=3), st.integers(-20, 20).filter(bool), st.data())
def test_a_body_that_is_cut_or_has_more_is_refused(
    server: Running, sent: list[Tensor], change: int, data: st.DataObject
) -> None:
    document = head(sent, [len(raw) for _, _, raw in sent])
    tail = b"".join(raw for _, _, raw in sent)
    if change < 0:
        change = max(change, -len(tail))
    broken = tail[:change] if change < 0 else tail + data.draw(st.binary(min_size=change, max_size=change))
    status, _, _ = post(server, document + broken, str(len(document)))
    assert status == (200 if broken == tail else 400)


HEADERS = st.one_of(
    st.integers(-5, 2**70).map(str),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8),
    st.sampled_from(["", "1e2", "0x10", "+5", "7 8", "9" * 5000, "inf", "1,2"]),
)
WRONG_SIZES = st.one_of(st.integers(-2, 40), st.none(), st.booleans(), st.floats(), st.text(max_size=2))


@given(st.lists(tensors(), max_size=2), st.one_of(st.none(), HEADERS), st.sampled_from(["infer", "generate"]))
@example([], "9" * 5000, "infer")
def test_any_header_is_read_or_refused(server: Running, sent: list[Tensor], header: str | None, verb: str) -> None:
    document = head(sent, [len(raw) for _, _, raw in sent])
    status, _, _ = post(server, document + b"".join(raw for _, _, raw in sent), header, verb)
    assert status in (200, 400)


@given(st.lists(tensors(), min_size=1, max_size=2), st.data())
def test_any_sizes_are_read_or_refused(server: Running, sent: list[Tensor], data: st.DataObject) -> None:
    document = head(sent, [data.draw(WRONG_SIZES) for _ in sent])
    status, _, _ = post(server, document + b"".join(raw for _, _, raw in sent), str(len(document)))
    assert status in (200, 400)


@given(st.binary(max_size=40), st.one_of(st.none(), st.integers(0, 40).map(str)), st.sampled_from(["echo", "pairs"]))
def test_any_body_is_read_or_refused(server: Running, body: bytes, header: str | None, model: str) -> None:
    headers = {} if header is None else {"Inference-Header-Content-Length": header}
    for verb in ("infer", "infer_stream", "generate", "generate_stream"):
        answer = server.http.post(f"/v2/models/{model}/{verb}", content=body, headers=headers)
        assert answer.status_code in (200, 400)


def message(sent: list[Tensor], raw: list[bytes]) -> Any:
    inputs = [
        {"name": f"x{index}", "datatype": datatype, "shape": shape} for index, (datatype, shape, _) in enumerate(sent)
    ]
    return ModelInferRequest(model_name="echo", inputs=inputs, raw_input_contents=raw)


@given(st.lists(tensors(), min_size=1, max_size=3))
def test_whole_messages_come_back(infer: Any, sent: list[Tensor]) -> None:
    raw = [part for _, _, part in sent]
    assert list(infer(message(sent, raw)).raw_output_contents) == raw


def code(infer: Any, request: Any) -> grpc.StatusCode:
    try:
        infer(request)
    except grpc.RpcError as exc:
        refused: grpc.StatusCode = exc.code()
        return refused
    return grpc.StatusCode.OK


READ_OR_REFUSED = (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT)


@given(st.lists(tensors(), min_size=1, max_size=3), st.lists(st.binary(max_size=20), max_size=4))
def test_messages_with_any_raw_contents_are_read_or_refused(infer: Any, sent: list[Tensor], raw: list[bytes]) -> None:
    assert code(infer, message(sent, raw)) in READ_OR_REFUSED


@given(st.sampled_from([*SIZES, "BYTES", "FP8", ""]), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40))
def test_messages_of_any_shape_are_read_or_refused(infer: Any, datatype: str, shape: list[int]) -> None:
    for raw in ([], [b"\0\0\0\0"]):
        assert code(infer, message([(datatype, shape, b"")], raw)) in READ_OR_REFUSED


RPCS = {method.name: method.client_streaming for method in POOL.FindServiceByName(SERVICE).methods}


@given(st.sampled_from(sorted(RPCS)), st.binary(max_size=40))
def test_any_bytes_to_any_rpc_are_read_or_refused(channel: Any, rpc: str, wire: bytes) -> None:
    def ask(sent: bytes) -> None:
        if RPCS[rpc]:
            list(channel.stream_stream(f"/{SERVICE}/{rpc}")(iter([sent])))
        else:
            channel.unary_unary(f"/{SERVICE}/{rpc}")(sent)

    assert code(ask, wire) in (*READ_OR_REFUSED, grpc.StatusCode.NOT_FOUND)


ROUNDS = 200
BODY_BYTES = 2**18
"""Enough to go by way of a thread."""


def test_broken_bodies_leave_nothing_behind(server: Running, infer: Any) -> None:
    raw = bytes(BODY_BYTES)
    tensor: Tensor = ("FP32", [BODY_BYTES // 4], raw)
    document = head([tensor], [BODY_BYTES])
    length = str(len(document))

    def ask() -> None:
        statuses = [
            post(server, *sent)[0]
            for sent in (
                (document + raw, length),
                (document + raw[1:], length),
                (document + raw, None),
                (document + raw, "7"),
                (document + raw, length, "generate_stream"),
            )
        ]
        assert statuses == [200, 400, 400, 400, 200]
        assert code(infer, message([tensor], [raw[1:]])) is grpc.StatusCode.INVALID_ARGUMENT

    def held() -> tuple[int, int]:
        """Memory in bytes, and open files."""
        process = Path(f"/proc/{server.pid}")
        pages = int((process / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE"), len(list((process / "fd").iterdir()))

    for _ in range(ROUNDS):  # until every thread has its buffers
        ask()
    memory_before, files_before = held()
    for _ in range(ROUNDS):
        ask()
    memory, files = held()
    assert memory - memory_before < ROUNDS * BODY_BYTES / 2  # one kind of body that stayed would be twice that
    assert files <= files_before
