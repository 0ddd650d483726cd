"""What an apply is answered."""

from typing import Any

import pytest

from mooring_operator.local.admission import Refused, admit
from mooring_operator.local.objects import Objects


def tm(memory: str, uri: str = "s3://b/m") -> dict[str, Any]:
    model = {"storageUri": uri, "framework": "f", "memory": memory}
    spec = {"inferenceService": "s", "model": model}
    return {"kind": "TrainedModel", "apiVersion": "serving.kserve.io/v1alpha1", "metadata": {"name": "m"}, "spec": spec}


def test_the_words_are_kubectls() -> None:
    objects = Objects()
    assert [admit(objects, tm("1Mi", uri)) for uri in ("s3://b/1", "s3://b/1", "s3://b/2")] == [
        "created",
        "unchanged",
        "configured",
    ]


def test_memory_cannot_be_changed_but_written_otherwise() -> None:
    objects = Objects()
    admit(objects, tm("1Gi"))
    assert admit(objects, tm("1024Mi")) == "configured"
    with pytest.raises(Refused, match="delete the model"):
        admit(objects, tm("2Gi"))
