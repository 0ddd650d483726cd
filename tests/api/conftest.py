"""The generated CRDs, and a strict validator of manifests against them, as `kubectl apply` would check."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mooring_api.crd import PRESERVE

ROOT = Path(__file__).parent.parent.parent

Manifest = dict[str, Any]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def crds() -> dict[str, Manifest]:
    """The committed CRDs of our group, by kind."""
    documents = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("serving*.yaml"))]
    return {document["spec"]["names"]["kind"]: document for document in documents}


@pytest.fixture(scope="session")
def validate(crds: dict[str, Manifest]) -> Callable[[Manifest], list[str]]:
    """Faults of a manifest; an unknown field is one, as in kubectl's strict validation."""

    def faults(manifest: Manifest) -> list[str]:
        version = crds[manifest["kind"]]["spec"]["versions"][0]
        group = crds[manifest["kind"]]["spec"]["group"]
        if manifest["apiVersion"] != f"{group}/{version['name']}":
            return [f"no {manifest['kind']} in {manifest['apiVersion']}"]
        schema = _strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(manifest)]

    return faults


def _strict(schema: Manifest) -> Manifest:
    closed = schema | {key: _strict(schema[key]) for key in ("items", "additionalProperties") if key in schema}
    if "properties" in schema:
        closed["properties"] = {name: _strict(part) for name, part in schema["properties"].items()}
        if not schema.get(PRESERVE):
            closed["additionalProperties"] = False
    return closed
