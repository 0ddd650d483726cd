"""KServe's helpers for models."""

import json
from typing import Any

import numpy as np
import pytest

from mooring_runtime import InferInput, InferRequest
from mooring_runtime.errors import InvalidInput, NotSupported
from mooring_runtime.predictor_config import PredictorProtocol
from mooring_runtime.utils import utils


class Context:
    """Of a gRPC call."""

    def invocation_metadata(self) -> Any:
        return (("x-request-id", "1"), ("picture-bin", b"\x00"))

    def trailing_metadata(self) -> Any:
        return (("x-took", "2"),)


def test_metadata_of_a_call_becomes_headers() -> None:
    assert utils.to_headers(Context()) == {"x-request-id": "1", "x-took": "2"}


@pytest.mark.parametrize(
    ("payload", "made"),
    [
        ({"instances": [[1, 2], [3, 4]]}, np.array([[1, 2], [3, 4]])),
        ({"inputs": [1.5]}, np.array([1.5])),
        ({"instances": []}, np.array([])),
    ],
    ids=["instances", "inputs", "none"],
)
def test_v1_numbers_are_an_array(payload: dict[str, Any], made: Any) -> None:
    np.testing.assert_array_equal(utils.get_predict_input(payload), made)


def test_text_is_a_list_in_both_protocols() -> None:
    assert utils.get_predict_input({"instances": ["a", "b"]}) == ["a", "b"]
    assert utils.get_predict_input(InferRequest("m", [InferInput("x", [2], "BYTES", ["a", "b"])])) == ["a", "b"]


@pytest.mark.parametrize("instances", [[{"a": 1, "b": 2}, {"a": 3, "b": 4}], [[{"a": 1, "b": 2}], [{"a": 3, "b": 4}]]])
def test_objects_are_the_rows_of_a_frame(instances: list[Any]) -> None:
    pandas = pytest.importorskip("pandas")
    pandas.testing.assert_frame_equal(
        utils.get_predict_input({"instances": instances}, columns=["b", "a"]),
        pandas.DataFrame({"b": [2, 4], "a": [1, 3]}),
    )


def test_a_request_is_a_frame_where_it_says_so() -> None:
    pandas = pytest.importorskip("pandas")
    tensors = [InferInput("a", [2], "INT64", [1, 2]), InferInput("t", [2], "BYTES", raw=b"\x01\0\0\0x\x01\0\0\0y")]
    request = InferRequest("m", tensors, parameters={"content_type": "pd"})
    pandas.testing.assert_frame_equal(
        utils.get_predict_input(request), pandas.DataFrame({"a": [1, 2], "t": ["x", "y"]})
    )


def test_frames_need_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(NotSupported, match="pandas: add it to the model's requirements"):
        InferRequest("m", [InferInput("a", [1], "INT64", [1])]).as_dataframe()


def test_an_array_is_answered_in_the_protocol_of_the_request() -> None:
    result = np.array([1.0, 2.0], np.float32)
    assert utils.get_predict_response({"instances": []}, result, "m") == {"predictions": [1.0, 2.0]}
    response = utils.get_predict_response(InferRequest("m", [], "7"), result, "m")
    assert (response.id, response.model_name) == ("7", "m")
    assert response.outputs[0].to_dict() == {
        "name": "output-0", "shape": [2], "datatype": "FP32", "data": [1.0, 2.0], "parameters": {},
    }  # fmt: skip


def test_texts_are_answered_as_bytes() -> None:
    response = utils.get_predict_response(InferRequest("m", []), ["a", "bc"], "m")
    assert (response.outputs[0].datatype, response.outputs[0].data) == ("BYTES", ["a", "bc"])


EVENT = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "time": "now", "data": {}}


def test_a_structured_event_has_all_its_attributes() -> None:
    assert utils.is_structured_cloudevent(EVENT)
    assert not utils.is_structured_cloudevent({name: value for name, value in EVENT.items() if name != "time"})


@pytest.mark.parametrize("merge", [False, True])
def test_an_answer_is_an_event(merge: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CE_MERGE", str(merge))
    monkeypatch.setenv("CE_TYPE", "mine")
    headers, body = utils.create_response_cloudevent("m", {"predictions": [1]}, {**EVENT, "extra": "e"})
    event = json.loads(body)
    assert headers == {"content-type": "application/cloudevents+json"}
    assert (event["data"], event["type"], event["source"]) == ({"predictions": [1]}, "mine", "io.kserve.inference.m")
    assert event.get("extra") == ("e" if merge else None)
    assert event["id"] != "1"
    headers, body = utils.create_response_cloudevent("m", {"predictions": [1]}, {}, binary_event=True)
    assert (headers["ce-type"], json.loads(body)) == ("mine", {"predictions": [1]})


def test_protocols_are_told_apart_however_they_are_spelled() -> None:
    assert utils.is_v1("V1")
    assert utils.is_v2(PredictorProtocol.REST_V2)
    assert not utils.is_v2("grpc-v2")
    assert not utils.is_v1("v2")


def test_outside_of_a_cluster_the_namespace_is_the_default() -> None:
    if utils.is_running_in_k8s():
        pytest.skip("this is a pod")
    assert utils.get_default_target_namespace() == "default"
    with pytest.raises(OSError, match="namespace"):
        utils.get_current_k8s_namespace()


def test_datatypes_have_numpy_types() -> None:
    assert utils.to_np_dtype("FP16") is np.float16
    assert utils.from_np_dtype(np.dtype(np.uint8)) == "UINT8"
    with pytest.raises(InvalidInput, match="FP7"):
        utils.to_np_dtype("FP7")
