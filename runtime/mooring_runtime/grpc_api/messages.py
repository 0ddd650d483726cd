"""The protocol's message classes, in a descriptor pool of our own.

KServe, MLServer and Triton's client all register a protobuf package `inference` in the process-wide default pool, so no
two of them can be imported together (spec: runtime.md, fact 11). Ours stays out of it, and can be imported beside any.
"""

from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

SERVICE = "inference.GRPCInferenceService"
REPOSITORY_SERVICE = "inference.model_repository.ModelRepositoryService"
"""MLServer's, from before the protocol had the same methods; its messages have the same fields as the protocol's."""


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    files = FileDescriptorSet.FromString(Path(__file__).with_name("oip.binpb").read_bytes()).file
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    # So that reflection, which knows one pool, describes these services too.
    for module in (health_pb2, reflection_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    return pool


POOL = _pool()


def message(name: str) -> Any:
    """The class of `inference.<name>`; untyped, as the classes are made at run time."""
    return GetMessageClass(POOL.FindMessageTypeByName(f"inference.{name}"))


InferParameter = message("InferParameter")
InferTensorContents = message("InferTensorContents")
ModelInferRequest = message("ModelInferRequest")
ModelInferResponse = message("ModelInferResponse")
ModelStreamInferResponse = message("ModelStreamInferResponse")


def __getattr__(name: str) -> Any:
    """Every other message of the protocol, as the module that protoc generates has them."""
    try:
        return message(name)
    except KeyError:
        raise AttributeError(f"the protocol has no message {name}") from None
