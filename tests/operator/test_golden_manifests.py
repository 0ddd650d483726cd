"""Manifests compared with files: `tests/golden/operator/NAME.in.yaml` -> `NAME.yaml`.

The input holds the user's objects, and optionally one `Settings` and one `Observed` document (credentials). After an
intended change run with UPDATE_GOLDEN=1 and read the difference.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mooring_api.v1alpha1 import ServingRuntimeSpec
from mooring_operator.core.decide import decide
from mooring_operator.core.observed import Credentials, Manifest, Observed, Runtime, SecretKeys
from mooring_operator.settings import Settings
from mooring_operator.store import meta_of

FOLDER = Path(__file__).parents[1] / "golden" / "operator"
CASES = sorted(path.name.removesuffix(".in.yaml") for path in FOLDER.glob("*.in.yaml"))


def _of(documents: list[Manifest], kind: str) -> list[Manifest]:
    found = [document for document in documents if document["kind"] == kind]
    for document in found:
        if "metadata" in document:
            document["metadata"] = {"namespace": "default", "uid": f"uid-{document['metadata']['name']}"} | document[
                "metadata"
            ]
    return found


def _secrets(documents: list[Manifest]) -> Credentials:
    listed: list[dict[str, Any]] = [secret for document in _of(documents, "Observed") for secret in document["secrets"]]
    return Credentials(
        tuple(
            SecretKeys(s["name"], frozenset(s["keys"]), s.get("annotations", {}), s.get("settings", {})) for s in listed
        )
    )


@pytest.mark.parametrize("case", CASES)
def test_manifests_are_as_the_golden_file_says(case: str, observe: Callable[..., Observed], now: Any) -> None:
    documents = list(yaml.safe_load_all((FOLDER / f"{case}.in.yaml").read_text()))
    runtimes = [
        Runtime(meta_of(document), ServingRuntimeSpec.model_validate(document["spec"]), kind == "ClusterServingRuntime")
        for kind in ("ServingRuntime", "ClusterServingRuntime")
        for document in _of(documents, kind)
    ]
    observed = observe(
        _of(documents, "InferenceService")[0],
        _of(documents, "TrainedModel"),
        runtimes=runtimes,
        credentials=_secrets(documents),
    )
    settings = Settings.parse(next((d["config"] for d in _of(documents, "Settings")), None))
    made = list(decide(observed, settings, now).apply)
    golden = FOLDER / f"{case}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(yaml.safe_dump_all(made, sort_keys=True))
    assert made == list(yaml.safe_load_all(golden.read_text()))


def test_there_are_golden_files() -> None:
    assert len(CASES) >= 8
