"""A model that answers what it is sent: what is left is the framework. Written for KServe's SDK, runs on both."""

import argparse
from typing import Any

from kserve import Model, ModelServer, model_server  # the peer's; ours by alias


class Identity(Model):  # type: ignore[misc]  # its base is whichever server runs it
    """Nothing to load, nothing to compute."""

    def load(self) -> bool:
        """Be ready."""
        self.ready = True
        return True

    def predict(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """The instances, unchanged."""
        return {"predictions": payload["instances"]}


if __name__ == "__main__":
    arguments, _ = argparse.ArgumentParser(parents=[model_server.parser]).parse_known_args()
    model = Identity(arguments.model_name)
    model.load()
    ModelServer().start([model])
