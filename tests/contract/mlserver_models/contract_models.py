"""Small models against MLServer's SDK, for MLServer and for us to serve: `record_peer.py` runs this folder on MLServer,
`test_peer_answers.py` by `mooring-runtime mlserver start`. Names are those of `kserve_model.py`.
"""

from mlserver import MLModel, types
from mlserver.errors import InferenceError, MLServerError

ERRORS: dict[str, Exception] = {
    "InvalidInput": MLServerError("the second row is too short"),
    "InferenceError": InferenceError("the network diverged"),
    "NotImplementedError": NotImplementedError("no such head"),
    "ValueError": ValueError("not a number"),
}


class Echo(MLModel):
    """Sends back what it got, the outputs named like the inputs."""

    async def load(self) -> bool:
        return True

    async def predict(self, payload: types.InferenceRequest) -> types.InferenceResponse:
        outputs = [
            types.ResponseOutput(name=i.name, shape=i.shape, datatype=i.datatype, data=i.data) for i in payload.inputs
        ]
        return types.InferenceResponse(id=payload.id, model_name=self.name, model_version=self.version, outputs=outputs)


class Failing(Echo):
    """Raises what the request names by its BYTES tensor."""

    async def predict(self, payload: types.InferenceRequest) -> types.InferenceResponse:
        wish = payload.inputs[0].data[0]
        raise ERRORS[wish.decode() if isinstance(wish, bytes) else wish]


class Labelled(Echo):
    """Sends a header, and the value of one that it got."""

    async def predict(self, payload: types.InferenceRequest) -> types.InferenceResponse:
        response = await super().predict(payload)
        seen = payload.parameters.headers.get("x-colour", "none")
        response.parameters = types.Parameters(headers={"x-label": "blue", "x-seen": seen})
        return response


class Tired(Echo):
    """Is not ready any more after its first request."""

    async def predict(self, payload: types.InferenceRequest) -> types.InferenceResponse:
        self.ready = False
        return await super().predict(payload)
