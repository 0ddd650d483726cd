"""KServe's package beside ours in one process: its client and its messages, our server. See `test_one_process.py`."""

import grpc
import kserve
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from tests.contract.one_process.shared import Double, ready_server

from mooring_runtime.grpc_api.messages import ModelInferRequest


async def converse(port: int) -> None:
    """Ask with everything that KServe's side of the wire has of its own."""
    client = kserve.InferenceGRPCClient(f"127.0.0.1:{port}")
    tensor = kserve.InferInput("x", [2], "INT64", [1, 2])
    answer = await client.infer(kserve.InferRequest("double", [tensor], request_id="7"))
    assert (type(answer).__module__.partition(".")[0], answer.id, answer.outputs[0].data) == ("kserve", "7", [2, 4])
    await client.close()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        unloaded = await stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="double"))
        assert (unloaded.model_name, unloaded.isUnloaded) == ("double", True)
        loaded = await stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="double"))
        assert (loaded.model_name, loaded.isLoaded) == ("double", True)


async def main() -> None:
    """Talk, and read each other's bytes."""
    async with ready_server(Double("double")) as address:
        await converse(address.grpc_port or 0)
    theirs = pb.ModelInferRequest(model_name="m", id="7")
    assert type(theirs) is not ModelInferRequest
    assert ModelInferRequest.FromString(theirs.SerializeToString()).id == "7"
