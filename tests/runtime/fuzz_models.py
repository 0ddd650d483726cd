"""What is fuzzed: models that answer whatever they are sent, so that an error is the client's or the server's."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mooring_runtime import InferOutput, InferRequest, InferResponse, Model, ModelServer


class Echo(Model):
    """Answers its inputs."""

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        if not isinstance(payload, InferRequest):
            return {"predictions": len(payload) if isinstance(payload, bytes) else payload}
        outputs = [InferOutput.from_numpy(item.name, item.as_numpy(), item.datatype) for item in payload.inputs]
        return InferResponse(None, self.name, outputs, parameters=payload.parameters)

    def explain(self, payload: Any, headers: Any = None) -> Any:
        return self.predict(payload)


class Pairs(Echo):
    """Declares what it takes."""

    def get_input_types(self) -> list[dict[str, Any]]:
        return [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        return self.get_input_types()


class Pieces(Echo):
    """Answers tensors piece by piece."""

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        return self.pieces() if isinstance(payload, InferRequest) else super().predict(payload)

    def pieces(self) -> Iterator[InferResponse]:
        for number in range(3):
            yield InferResponse(None, self.name, [InferOutput.from_numpy("n", np.array([number]))])


if __name__ == "__main__":
    ModelServer().start([Echo("echo"), Pairs("pairs"), Pieces("pieces")])
