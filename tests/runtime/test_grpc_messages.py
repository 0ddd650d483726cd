import json
import subprocess
import sys
from pathlib import Path

import grpc

from mooring_runtime.grpc_api import generate, messages
from mooring_runtime.grpc_api.messages import POOL, message
from mooring_runtime.grpc_api.stub import GRPCInferenceServiceStub


def test_the_committed_descriptors_are_those_of_the_proto(tmp_path: Path) -> None:
    generate.compile_protocol(tmp_path / "oip.binpb")
    assert (tmp_path / "oip.binpb").read_bytes() == (generate.FOLDER / "oip.binpb").read_bytes(), (
        "run: python runtime/mooring_runtime/grpc_api/generate.py"
    )


def test_field_numbers_are_the_public_protocol_s() -> None:
    """What clients of KServe, MLServer and Triton put on the wire (spec: runtime.md section 2)."""
    golden = json.loads(Path(__file__).with_name("golden_oip_fields.json").read_text())
    ours = {
        name: {field.name: field.number for field in POOL.FindMessageTypeByName(f"inference.{name}").fields}
        for name in golden
    }
    assert ours == golden


def test_wire_bytes_of_an_inference_are_golden() -> None:
    tensor = {"name": "x", "shape": [2], "datatype": "FP32", "contents": {"fp32_contents": [1, 2.5]}}
    request = message("ModelInferRequest")(
        model_name="m", id="7", inputs=[tensor], parameters={"top_k": {"int64_param": 3}}
    )
    assert request.SerializeToString(deterministic=True).hex(" ") == (
        "0a 01 6d 1a 01 37 22 0b 0a 05 74 6f 70 5f 6b 12 02 10 03 "
        "2a 18 0a 01 78 12 04 46 50 33 32 1a 01 02 2a 0a 32 08 00 00 80 3f 00 00 20 40"
    )


def test_our_messages_leave_the_default_pool_to_others() -> None:
    """Another package registers its own `inference` there, as KServe, MLServer and Triton's client do."""
    code = """
from mooring_runtime.grpc_api.messages import message
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
theirs = FileDescriptorProto(name="grpc_predict_v2.proto", package="inference", syntax="proto3")
theirs.message_type.add(name="ModelInferRequest")
descriptor_pool.Default().AddSerializedFile(theirs.SerializeToString())
assert message("ModelInferRequest")(id="7").id == "7"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_messages_and_methods_that_the_protocol_has_not_are_not_there() -> None:
    assert not hasattr(messages, "ModelTrainRequest")
    stub = GRPCInferenceServiceStub(grpc.insecure_channel("127.0.0.1:1"))
    assert hasattr(stub, "ModelStreamInfer")
    assert not hasattr(stub, "ModelTrain")
