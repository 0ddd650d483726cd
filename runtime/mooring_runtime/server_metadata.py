"""Who answers, in the protocol's words."""

from dataclasses import dataclass
from importlib.metadata import version

SERVER_NAME = "mooring"
EXTENSIONS = (
    "model_repository_extension",
    "model_repository",
    "binary_tensor_data",
    "parameters",
    "schedule_policy",
    "classification",
    "statistics",
    "model_configuration",
    "logging",
    "generate",
)
"""KServe's name for the repository's stands beside Triton's."""


@dataclass(frozen=True)
class ServerMetadata:
    """Who answers."""

    name: str
    version: str
    extensions: tuple[str, ...]


def server_metadata() -> ServerMetadata:
    """This server's."""
    return ServerMetadata(SERVER_NAME, version("mooring"), EXTENSIONS)
