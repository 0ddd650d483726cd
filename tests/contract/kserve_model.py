"""Small models against KServe's SDK, for KServe and for us to serve: `record_peer.py` runs this file on KServe,
`test_kserve_answers.py` by `mooring-runtime run`. Names are what each is there for.
"""

from typing import Any

import kserve
from kserve.errors import InferenceError, InvalidInput, ModelMissingError, ModelNotReady, UnsupportedProtocol
from kserve.utils.utils import get_predict_input, get_predict_response

ERRORS: dict[str, Exception] = {
    "InvalidInput": InvalidInput("the second row is too short"),
    "InferenceError": InferenceError("the network diverged"),
    "InferenceError with status": InferenceError("the network diverged", status="E7"),
    "ModelNotReady": ModelNotReady("failing", "It rests."),
    "NotImplementedError": NotImplementedError("no such head"),
    "UnsupportedProtocol": UnsupportedProtocol("v3"),
    "ValueError": ValueError("not a number"),
    "KeyError": KeyError("weights"),
}


class Ready(kserve.Model):
    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.load()

    def load(self) -> bool:
        self.ready = True
        return True


class Echo(Ready):
    """Sends back what it got: v1 says the body's type, v2 names the outputs like the inputs."""

    def predict(self, payload: Any, headers: Any = None) -> Any:
        if isinstance(payload, bytes):
            return {"type": "bytes", "length": len(payload)}
        if not isinstance(payload, kserve.InferRequest):
            return {"predictions": payload["instances"]}
        outputs = []
        for tensor in payload.inputs:
            array = tensor.as_numpy()
            output = kserve.InferOutput(tensor.name, list(array.shape), tensor.datatype)
            output.set_data_from_numpy(array, binary_data=payload.use_binary_outputs)
            outputs.append(output)
        return kserve.InferResponse(
            payload.id,
            self.name,
            outputs,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )

    def explain(self, payload: Any, headers: Any = None) -> Any:
        return {"explanations": payload["instances"]}

    def get_input_types(self) -> list[dict[str, Any]]:
        return [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        return [{"name": "y", "datatype": "FP32", "shape": [-1]}]


class Doubler(Ready):
    """Goes by the SDK's own functions, as KServe's bundled servers do."""

    def predict(self, payload: Any, headers: Any = None) -> Any:
        return get_predict_response(payload, get_predict_input(payload) * 2, self.name)


class Parameters(Ready):
    """Tells the parameters that it sees, as BYTES, and sends some of its own."""

    def predict(self, payload: Any, headers: Any = None) -> Any:
        seen = [f"{name}={value!r}" for name, value in sorted((payload.parameters or {}).items())]
        seen += [f"x.{name}={value!r}" for name, value in sorted((payload.inputs[0].parameters or {}).items())]
        output = kserve.InferOutput("seen", [len(seen)], "BYTES", data=seen, parameters={"unit": "none"})
        return kserve.InferResponse(payload.id, self.name, [output], parameters={"stage": "test"})


class Failing(Ready):
    """Raises what the request names, by v1's instances or v2's BYTES tensor."""

    def predict(self, payload: Any, headers: Any = None) -> Any:
        wish = payload.inputs[0].data[0] if isinstance(payload, kserve.InferRequest) else payload["instances"][0]
        raise ERRORS[wish.decode() if isinstance(wish, bytes) else wish]


class Labelled(Ready):
    """Sends headers, and the value of one that it got."""

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        response_headers.update({"x-label": "blue", "x-seen": headers.get("x-colour", "none")})
        return {"predictions": payload["instances"]}


class Text(Ready):
    """Answers text in place of a document."""

    def predict(self, payload: Any, headers: Any = None) -> Any:
        return "plain words"


class Respond(Ready):
    """Answers v1 with v2's response."""

    def predict(self, payload: Any, headers: Any = None) -> Any:
        return kserve.InferResponse("7", self.name, [kserve.InferOutput("y", [2], "INT32", data=[1, 2])])


class Tired(Echo):
    """Is not ready any more after its first request."""

    def predict(self, payload: Any, headers: Any = None) -> Any:
        self.ready = False
        if isinstance(payload, kserve.InferRequest):
            return super().predict(payload, headers)
        return {"predictions": ["good night"]}


class Missing(kserve.Model):
    """Is ready until it is told to load."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ready = True

    def load(self) -> bool:
        raise ModelMissingError("/mnt/models")


if __name__ == "__main__":
    kserve.ModelServer().start(
        [
            Echo("echo"),
            Doubler("doubler"),
            Parameters("parameters"),
            Failing("failing"),
            Labelled("labelled", return_response_headers=True),
            Text("text"),
            Respond("respond"),
            Tired("tired"),
            Ready("bare"),
            Missing("missing"),
        ]
    )
