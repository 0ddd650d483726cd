"""The manifests of `examples/` are those of the user's documents, but for the names that the documents leave open."""

from pathlib import Path

import pytest
import yaml
from tests.runtime.seeds import blocks

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize(
    ("number", "words", "open_names", "example"),
    [
        ("003", "name: custom-model\n", {"${DOCKER_USER}": "example"}, "custom.yaml"),
        ("003", "name: custom-model-grpc\n", {"${DOCKER_USER}": "example"}, "custom_grpc.yaml"),
        (
            "001",
            "kind: ServingRuntime",
            {"{{MODEL_TYPE}}": "doubler", "{{CUSTOM_RUNTIME_MLSERVER_IMAGE}}": "example/custom-mlserver:v1"},
            "mlserver-model/servingruntime.yaml",
        ),
    ],
    ids=["REST", "gRPC", "MLServer"],
)
def test_the_example_is_the_document_s(number: str, words: str, open_names: dict[str, str], example: str) -> None:
    text = next(block for block in blocks(number, "yaml") if words in block)
    for name, value in open_names.items():
        assert name in text
        text = text.replace(name, value)
    assert yaml.safe_load((EXAMPLES / example).read_text()) == yaml.safe_load(text)
