"""A model that answers what it is sent: what is left is the framework. Written for KServe's SDK, runs on both."""

import argparse
from typing import Any

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer, model_server  # the peer's, or ours
from kserve.utils.utils import generate_uuid


class Identity(Model):  # type: ignore[misc]  # its base is whichever server runs it
    """Nothing to load, nothing to compute."""

    def load(self) -> bool:
        """Be ready."""
        self.ready = True
        return True

    def predict(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """The instances, or the input, unchanged."""
        if not isinstance(payload, InferRequest):
            return {"predictions": payload["instances"]}
        (x,) = payload.inputs
        y = InferOutput("output-0", x.shape, x.datatype)
        y.set_data_from_numpy(x.as_numpy(), binary_data=False)
        return InferResponse(payload.id or generate_uuid(), self.name, [y])


if __name__ == "__main__":
    arguments, _ = argparse.ArgumentParser(parents=[model_server.parser]).parse_known_args()
    model = Identity(arguments.model_name)
    model.load()
    ModelServer().start([model])
