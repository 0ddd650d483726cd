"""MLServer's package beside ours in one process: its stubs, our server. See `test_one_process.py`."""

import grpc
import mlserver
from mlserver.grpc import converters
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc import model_repository_pb2 as older_pb
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub
from mlserver.grpc.model_repository_pb2_grpc import ModelRepositoryServiceStub
from tests.contract.one_process.shared import Double, ready_server

from mooring_runtime.grpc_api.messages import ModelInferRequest


def request(request_id: str, *values: int) -> pb.ModelInferRequest:
    """As MLServer's own types become messages."""
    tensor = mlserver.types.RequestInput(name="x", shape=[len(values)], datatype="INT64", data=list(values))
    payload = mlserver.types.InferenceRequest(id=request_id, inputs=[tensor])
    return converters.ModelInferRequestConverter.from_types(payload, model_name="double")


async def converse(channel: grpc.aio.Channel) -> None:
    """Ask with everything that MLServer's side of the wire has of its own."""
    stub, older = GRPCInferenceServiceStub(channel), ModelRepositoryServiceStub(channel)
    message = await stub.ModelInfer(request("7", 1, 2))
    answer = converters.ModelInferResponseConverter.to_types(message)
    assert (answer.id, answer.outputs[0].data.root) == ("7", [2, 4])
    stream = stub.ModelStreamInfer(iter([request("8", 3), request("9", 4)]))
    assert [(piece.id, piece.outputs[0].contents.int64_contents[0]) async for piece in stream] == [("8", 6), ("9", 8)]
    for repository, kinds in ((stub, pb), (older, older_pb)):
        await repository.RepositoryModelUnload(kinds.RepositoryModelUnloadRequest(model_name="double"))
        assert not (await repository.RepositoryIndex(kinds.RepositoryIndexRequest())).models
        await repository.RepositoryModelLoad(kinds.RepositoryModelLoadRequest(model_name="double"))
        (entry,) = (await repository.RepositoryIndex(kinds.RepositoryIndexRequest(ready=True))).models
        assert (entry.name, entry.state) == ("double", "READY")


async def main() -> None:
    """Talk, and read each other's bytes."""
    async with ready_server(Double("double"), grpc_stream_shape="mlserver") as address:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{address.grpc_port}")
        await converse(channel)
        await channel.close()
    theirs = pb.ModelInferRequest(model_name="m", id="7")
    assert type(theirs) is not ModelInferRequest
    assert ModelInferRequest.FromString(theirs.SerializeToString()).id == "7"
