"""Manifest files: what is right becomes objects, what is wrong is said with line, field and remedy."""

import pytest

from mooring_operator.local.manifests import read

ISVC = """apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: a
spec:
  predictor:
    containers:
      - name: kserve-container
        image: ${IMAGE}
"""
TM = """apiVersion: serving.kserve.io/v1alpha1
kind: TrainedModel
metadata: {name: m}
spec:
  inferenceService: a
  model: {storageUri: "s3://b/m", framework: custom, memory: 256Mi}
"""
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"


def test_documents_of_a_file_become_objects_with_their_lines() -> None:
    reading = read(f"# comment only\n---\n{ISVC}---\n{TM}", "f.yaml", {"IMAGE": "img:1"})
    assert reading.faults == ()
    assert [(d.id.kind, d.id.namespace, d.id.name, d.line) for d in reading.documents] == [
        ("InferenceService", "default", "a", 3),
        ("TrainedModel", "default", "m", 13),
    ]
    assert reading.documents[0].body["spec"]["predictor"]["containers"][0]["image"] == "img:1"


def test_kinds_that_are_not_ours_are_named_and_ignored() -> None:
    reading = read("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n", "f.yaml", {})
    assert (reading.documents, reading.faults) == ((), ())
    assert "Deployment" in reading.ignored[0]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        pytest.param("a: [1\nb: 2\n", 2, "not YAML", id="malformed"),
        pytest.param("\tkind: x\n", 1, "not YAML", id="tab"),
        pytest.param("- 1\n", 1, "a manifest is a mapping", id="a list"),
        pytest.param("kind: InferenceService\n", 1, "apiVersion or kind is missing", id="no apiVersion"),
        pytest.param(ISVC.replace("v1beta1", "v1"), 1, "serving.kserve.io/v1beta1", id="wrong version"),
        pytest.param(ISVC.replace("name: a", "name: A_b"), 4, "lower case", id="illegal name"),
        pytest.param(ISVC.replace("  name: a\n", "  labels: {}\n"), 4, "metadata.name is missing", id="no name"),
        pytest.param(ISVC.replace("predictor:", "predicter:"), 7, "did you mean predictor?", id="misspelt field"),
        pytest.param(ISVC.replace("${IMAGE}", "${NOT_SET}"), 9, "export NOT_SET=", id="variable that is not set"),
        pytest.param(TM.replace("s3://b/m", "ftp://b/m"), 6, "spec.model.storageUri", id="unknown scheme"),
        pytest.param(TM.replace("256Mi", "lots"), 6, "spec.model.memory", id="no quantity"),
        pytest.param(TM.replace(", memory: 256Mi", ""), 6, "spec.model.memory: Field required", id="missing field"),
        pytest.param(SECRET + "data: {k: plain!}\n", 4, "stringData", id="secret without base64"),
        pytest.param(SECRET + "stringData: {k: 1}\n", 4, "put numbers in quotes", id="number in a secret"),
        pytest.param(TM + "spec: {}\n", 7, "given twice", id="a key twice"),
    ],
)
def test_a_fault_names_line_field_and_remedy(text: str, line: int, words: str) -> None:
    reading = read(text, "f.yaml", {"IMAGE": "img:1"})
    assert reading.documents == ()
    assert [(fault.line, words in str(fault)) for fault in reading.faults] == [(line, True)]
    assert str(reading.faults[0]).startswith(f"f.yaml:{line} (document 1): ")


def test_a_bad_document_leaves_the_others_good() -> None:
    reading = read(f"{TM.replace('256Mi', 'lots')}---\n{TM}", "f.yaml", {})
    assert len(reading.documents) == len(reading.faults) == 1
    assert reading.faults[0].document == 1


def test_variables_mean_what_they_would_mean_if_written() -> None:
    text = ISVC.replace("  predictor:\n", "  predictor:\n    minReplicas: ${N}\n    serviceAccountName: '${N}'\n")
    predictor = read(text, "f.yaml", {"IMAGE": "x", "N": "3"}).documents[0].body["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["serviceAccountName"]) == (3, "3")


def test_variables_in_comments_are_nobodys_business() -> None:
    assert read(f"# ${{NOBODY}}\n{TM}", "f.yaml", {}).faults == ()
