"""Requests and responses of the data plane: the same values whether they came by REST, by gRPC or from a user's code.

Names and constructor arguments are KServe's, so that a model written for it finds what it expects.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import orjson

from mooring_runtime.codec import Buffer
from mooring_runtime.errors import InvalidInput
from mooring_runtime.infer_tensor import (
    InferInput,
    InferOutput,
    InferTensor,
    Parameters,
    RequestedOutput,
    deserialize_bytes_tensor,
    serialize_byte_tensor,
    with_raw,
)
from mooring_runtime.sdk.frames import frame_of
from mooring_runtime.sdk.grpc_origin import FromGrpc

__all__ = [
    "InferInput",
    "InferOutput",
    "InferRequest",
    "InferResponse",
    "InferTensor",
    "Parameters",
    "RequestedOutput",
    "deserialize_bytes_tensor",
    "serialize_byte_tensor",
]


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """The document with lists for its arrays."""
    plain: dict[str, Any] = orjson.loads(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))
    return plain


class InferRequest:
    """A v2 inference request."""

    from_grpc = FromGrpc()

    def __init__(
        self,
        model_name: str,
        infer_inputs: list[InferInput],
        request_id: str | None = None,
        raw_inputs: Sequence[Buffer] | None = None,
        from_grpc: bool = False,
        parameters: Mapping[str, Any] | None = None,
        request_outputs: list[RequestedOutput] | None = None,
        model_version: str | None = None,
    ) -> None:
        self.model_name = model_name
        self.model_version = model_version
        self.id = request_id
        self.inputs = with_raw(infer_inputs, raw_inputs, "input")
        self.parameters: Parameters = dict(parameters or {})
        self.request_outputs = request_outputs
        self.from_grpc = from_grpc

    @property
    def use_binary_outputs(self) -> bool:
        """Whether outputs go back as raw bytes unless the client says otherwise for one of them.

        REST says so by `binary_data_output`; over gRPC the answer takes the form of the question.
        """
        if self.from_grpc:
            return any(tensor.is_raw for tensor in self.inputs)
        return self.parameters.get("binary_data_output") is True

    def get_input_by_name(self, name: str) -> InferInput | None:
        """The input of that name, or None."""
        return next((tensor for tensor in self.inputs if tensor.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Its fields, with the data of tensors as lists."""
        return {
            "id": self.id,
            "model_name": self.model_name,
            "inputs": [tensor.to_dict() for tensor in self.inputs],
            "parameters": self.parameters,
            "from_grpc": self.from_grpc,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InferRequest) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment] # mutable, as KServe's

    @classmethod
    def from_grpc_message(cls, message: Any) -> "InferRequest":
        """Read a ModelInferRequest message; `InferRequest.from_grpc`, for those who read types."""
        from mooring_runtime.grpc_api.wire import parse_request

        return parse_request(message)

    @classmethod
    def from_bytes(cls, body: bytes, json_length: int, model_name: str) -> "InferRequest":
        """Read a binary REST body."""
        from mooring_runtime.rest_api.v2_wire import parse_request

        return parse_request(body, str(json_length), model_name)

    def to_rest(self) -> tuple[dict[str, Any] | bytes, int | None]:
        """The REST body: a document and None, or bytes and the length of their JSON part where a tensor is raw."""
        from mooring_runtime.rest_api.v2_client_wire import request_document, write

        document, tail = request_document(self)
        return write(document, tail) if tail else (_plain(document), None)

    def to_grpc(self) -> Any:
        """The ModelInferRequest message."""
        from mooring_runtime.grpc_api.wire import render_request

        return render_request(self)

    def as_dataframe(self) -> Any:
        """The inputs as the columns of a pandas DataFrame; needs pandas."""
        return frame_of(self.inputs)


class InferResponse:
    """A v2 inference response.

    Args:
        response_id: The request's id.
        model_name: Who answers.
        infer_outputs: All outputs that were computed.
        model_version: Which version answers.
        raw_outputs: Raw bytes of the outputs, where they come apart from them.
        from_grpc: Whether it came by gRPC.
        parameters: Of the response.
        use_binary_outputs: Kept for KServe's callers: the transport reads the wish from the request.
        requested_outputs: Those to keep, in this order.

    Raises:
        InvalidInput: a requested output is not there.
    """

    from_grpc = FromGrpc()

    def __init__(
        self,
        response_id: str | None,
        model_name: str,
        infer_outputs: list[InferOutput],
        model_version: str | None = None,
        raw_outputs: Sequence[Buffer] | None = None,
        from_grpc: bool = False,
        parameters: Mapping[str, Any] | None = None,
        use_binary_outputs: bool = False,
        requested_outputs: Sequence[RequestedOutput] | None = None,
    ) -> None:
        self.id = response_id
        self.model_name = model_name
        self.model_version = model_version
        self.outputs = with_raw(infer_outputs, raw_outputs, "output")
        self.parameters: Parameters = dict(parameters or {})
        self.from_grpc = from_grpc
        self.use_binary_outputs = use_binary_outputs
        if requested_outputs:
            self.outputs = self.with_outputs(requested_outputs).outputs

    def with_outputs(self, wishes: Sequence[RequestedOutput]) -> "InferResponse":
        """The same response with only the outputs of `wishes`, in that order.

        Raises:
            InvalidInput: one is not there.
        """
        chosen = copy(self)
        chosen.outputs = [self._wanted(wish) for wish in wishes]
        return chosen

    def to_dict(self) -> dict[str, Any]:
        """Its fields, with the data of tensors as lists."""
        return {
            "id": self.id,
            "model_name": self.model_name,
            "outputs": [tensor.to_dict() for tensor in self.outputs],
            "parameters": self.parameters,
            "from_grpc": self.from_grpc,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InferResponse) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment] # mutable, as KServe's

    def __str__(self) -> str:
        """As KServe's client prints it."""
        outputs = ",".join(
            f'"name": "{output.name}","shape": {list(output.shape)},"datatype": "{output.datatype}",'
            f'"data": {output.as_numpy().ravel().tolist()},"parameters": {output.parameters}'
            for output in self.outputs
        )
        return (
            f'"id": "{self.id}","model_name": "{self.model_name}","outputs": [{outputs}],'
            f'"parameters": {self.parameters},"from_grpc": {self.from_grpc}'
        )

    def _wanted(self, wish: RequestedOutput) -> InferOutput:
        output = self.get_output_by_name(wish.name)
        if output is None:
            raise InvalidInput(f"Unexpected inference output '{wish.name}' for model '{self.model_name}'")
        return output

    def get_output_by_name(self, name: str) -> InferOutput | None:
        """The output of that name, or None."""
        return next((tensor for tensor in self.outputs if tensor.name == name), None)

    @classmethod
    def from_grpc_message(cls, message: Any) -> "InferResponse":
        """Read a ModelInferResponse message; `InferResponse.from_grpc`, for those who read types."""
        from mooring_runtime.grpc_api.wire import parse_response

        return parse_response(message)

    @classmethod
    def from_rest(cls, document: Mapping[str, Any]) -> "InferResponse":
        """Read a JSON response."""
        from mooring_runtime.rest_api.v2_client_wire import response_of

        return response_of(document, memoryview(b""))

    @classmethod
    def from_bytes(cls, body: bytes, json_length: int) -> "InferResponse":
        """Read a binary REST response."""
        from mooring_runtime.rest_api.v2_client_wire import parse_response

        return parse_response(body, str(json_length))

    def to_rest(self) -> tuple[dict[str, Any] | bytes, int | None]:
        """The REST body: a document and None, or bytes and the length of their JSON part where it is to be binary."""
        from mooring_runtime.rest_api.v2_wire import HEADER_LENGTH, render_response, response_document

        if not self.use_binary_outputs:
            return _plain(response_document(self)), None
        wish = InferRequest(self.model_name, [], parameters={"binary_data_output": True})
        body, headers = render_response(self, wish)
        return body, int(headers[HEADER_LENGTH])

    def to_grpc(self) -> Any:
        """The ModelInferResponse message."""
        from mooring_runtime.grpc_api.wire import render_response

        return render_response(self, InferRequest(self.model_name, []))
