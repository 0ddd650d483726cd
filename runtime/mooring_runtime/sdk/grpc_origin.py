"""`from_grpc`, which KServe has two of: a class reads a message by it, an object says whether it came so."""

from typing import Any


class FromGrpc:
    """The attribute: its owner has `from_grpc_message`, and sets it to whether it came by gRPC."""

    def __get__(self, instance: Any, owner: Any) -> Any:
        return owner.from_grpc_message if instance is None else instance.__dict__["from_grpc"]

    def __set__(self, instance: Any, value: bool) -> None:
        instance.__dict__["from_grpc"] = value
