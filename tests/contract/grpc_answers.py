"""What a server answers to `grpc_requests.yaml`, in protobuf's JSON form.

An answer is `{"code", "details"}` or `{"code": "OK", "message"}`, with the trailing metadata where a model sent some.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import yaml
from google.protobuf.json_format import MessageToDict, ParseDict
from tests.contract.answers import HERE, UUID, Answer

from mooring_runtime.grpc_api.messages import SERVICE, message

REQUESTS = HERE / "grpc_requests.yaml"
TRAILING = ("x-label", "x-seen")
TIMEOUT_S = 30


@dataclass(frozen=True)
class GrpcRequest:
    """One call, ready to send."""

    name: str
    method: str
    wire: bytes


def read_grpc_requests(peer: str) -> list[GrpcRequest]:
    """Those of the list that `peer` is asked, in the order to send them in."""
    listed = yaml.safe_load(REQUESTS.read_text(encoding="utf-8"))
    asked = [entry for entry in listed if peer in entry.get("peers", (peer,))]
    return [GrpcRequest(entry["name"], entry["method"], _wire(entry)) for entry in asked]


def _wire(entry: Mapping[str, Any]) -> bytes:
    if "wire" in entry:
        return bytes.fromhex(entry["wire"])
    filled: bytes = ParseDict(entry["message"], message(f"{entry['method']}Request")()).SerializeToString()
    return filled


def ask_grpc(channel: grpc.Channel, request: GrpcRequest) -> Answer:
    """Call a method; the answer is read by our messages, which hold those of both peers."""
    call = channel.unary_unary(f"/{SERVICE}/{request.method}")
    try:
        reply, state = call.with_call(request.wire, timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": error.details()}
    document = MessageToDict(message(f"{request.method}Response").FromString(reply))
    if UUID.fullmatch(document.get("id", "")):
        document["id"] = "(generated)"
    if "extensions" in document:
        document["version"] = "(of the server)"
    if request.method == "RepositoryIndex":
        document["models"].sort(key=lambda model: model["name"])  # MLServer loads at once: its order is chance
    told = {name: value for name, value in state.trailing_metadata() or () if name in TRAILING}
    return {"code": "OK", "message": document, **({"trailing": told} if told else {})}
