"""The CRDs: generated from the types, structural, small, and presented as KServe presents its own."""

import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from mooring_api import agent_status, base, component, model_config, predictor, service_status, v1alpha1, v1beta1
from mooring_api.crd import KINDS, PRESERVE, Kind, manifest

Manifest = dict[str, Any]
MODULES = (agent_status, base, component, model_config, predictor, service_status, v1alpha1, v1beta1)
APPLY_LIMIT = 200_000
"""Plain `kubectl apply` keeps the object in an annotation of at most 262144 bytes; this leaves room."""

COLUMNS = {
    "InferenceService": [
        ("URL", "string"),
        ("Ready", "string"),
        ("Prev", "integer"),
        ("Latest", "integer"),
        ("PrevRolledoutRevision", "string"),
        ("LatestReadyRevision", "string"),
        ("Age", "date"),
    ],
    "ServingRuntime": [("Disabled", "boolean"), ("ModelType", "string"), ("Containers", "string"), ("Age", "date")],
    "ClusterServingRuntime": [
        ("Disabled", "boolean"),
        ("ModelType", "string"),
        ("Containers", "string"),
        ("Age", "date"),
    ],
    "TrainedModel": [("URL", "string"), ("Ready", "string"), ("Age", "date")],
}


def subschemas(schema: Manifest, path: str = "") -> Iterator[tuple[str, Manifest]]:
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from subschemas(part, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from subschemas(schema[key], f"{path}[{key}]")


def root_of(crd: Manifest) -> Manifest:
    schema: Manifest = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def models() -> list[type[BaseModel]]:
    found = {
        value
        for module in MODULES
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, BaseModel) and value is not BaseModel
    }
    return sorted(found, key=lambda model: model.__qualname__)


def test_generated_files_are_up_to_date(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "crds/generate.py", "--check"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_type_and_every_field_of_it_is_described(model: type[BaseModel]) -> None:
    assert model.__doc__
    assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_columns_names_and_scopes_are_kserves(kind: Kind, crds: dict[str, Manifest]) -> None:
    spec = crds[kind.name]["spec"]
    version = spec["versions"][0]
    columns = [(column["name"], column["type"]) for column in version["additionalPrinterColumns"]]
    assert columns == COLUMNS[kind.name]
    short = {"InferenceService": ["isvc"], "TrainedModel": ["tm"]}
    assert spec["names"].get("shortNames") == short.get(kind.name)
    assert spec["names"]["plural"] == kind.name.lower() + "s"
    assert spec["scope"] == ("Cluster" if kind.name == "ClusterServingRuntime" else "Namespaced")
    assert version["subresources"] == ({"status": {}} if kind.name in short else {})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_plain_kubectl_apply_can_carry_it(kind: Kind) -> None:
    assert len(json.dumps(manifest(kind))) < APPLY_LIMIT


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_schemas_are_structural_and_without_artefacts(kind: Kind) -> None:
    for path, schema in subschemas(root_of(manifest(kind))):
        assert not {"$ref", "$defs", "title", "const", "oneOf", "allOf"} & schema.keys(), path
        assert schema.get("default", "something") not in (None, [], {}, "", 0, False), path
        has_type = "type" in schema or schema.get("x-kubernetes-int-or-string") is True
        assert has_type, path
        assert "anyOf" not in schema or schema["anyOf"] == [{"type": "integer"}, {"type": "string"}], path
        assert not ("properties" in schema and "additionalProperties" in schema), path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_of_spec_and_status_is_explained(kind: Kind) -> None:
    properties = root_of(manifest(kind))["properties"]
    unexplained = [
        f"{name}{path}"
        for name in ("spec", "status")
        for path, schema in subschemas(properties[name])
        if not path.endswith("]") and not schema.get("description")
    ]
    assert unexplained == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_rules_field_path_exists_and_its_message_is_a_sentence(kind: Kind) -> None:
    for path, schema in subschemas(root_of(manifest(kind))):
        for rule in schema.get("x-kubernetes-validations", ()):
            assert len(rule["message"]) > 20, path
            where = schema
            for step in rule.get("fieldPath", "").split(".")[1:]:
                where = where["properties"][step]


def test_conditions_are_merged_by_type(crds: dict[str, Manifest]) -> None:
    for kind in ("InferenceService", "TrainedModel"):
        conditions = root_of(crds[kind])["properties"]["status"]["properties"]["conditions"]
        assert conditions["x-kubernetes-list-type"] == "map"
        assert conditions["x-kubernetes-list-map-keys"] == ["type"]
        assert "type" in conditions["items"]["required"]


def test_pod_parts_are_passed_through(crds: dict[str, Manifest]) -> None:
    predictor_schema = root_of(crds["InferenceService"])["properties"]["spec"]["properties"]["predictor"]
    assert predictor_schema["properties"]["containers"]["items"][PRESERVE] is True
    assert predictor_schema["properties"]["affinity"][PRESERVE] is True


def test_helm_keeps_the_definitions_when_their_chart_goes(crds: dict[str, Manifest]) -> None:
    kept = {crd["metadata"]["annotations"]["helm.sh/resource-policy"] for crd in crds.values()}
    assert kept == {"keep"}


def documents(path: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def test_every_example_is_valid(root: Path, validate: Callable[[Manifest], list[str]]) -> None:
    paths = sorted((root / "examples").glob("*.yaml"))
    ours = [(path, one) for path in paths for one in documents(path) if one["apiVersion"].startswith("serving.")]
    assert len(ours) >= 6
    assert [(path.name, faults) for path, one in ours if (faults := validate(one))] == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"storageUri": "ftp://bucket/model"}, "does not match"),
        ({"storageUri": ""}, "does not match"),
        ({"storageUri": "s3://b/" + "x" * 2048}, "too long"),
        ({"memory": "lots"}, "does not match"),
        ({"memory": True}, "not valid under any"),
        ({"storageURI": "s3://bucket/model"}, "unexpected"),
    ],
)
def test_a_bad_trained_model_is_refused(
    changes: dict[str, Any], word: str, validate: Callable[[Manifest], list[str]]
) -> None:
    model = {"storageUri": "s3://bucket/model", "framework": "custom", "memory": "256Mi"} | changes
    spec = {"inferenceService": "a", "model": model}
    tm = {"apiVersion": "serving.kserve.io/v1alpha1", "kind": "TrainedModel", "metadata": {"name": "m"}, "spec": spec}
    assert any(word in fault for fault in validate(tm))


@pytest.mark.parametrize(
    ("predictor_spec", "word"),
    [
        ({"minReplica": 1}, "unexpected"),
        ({"minReplicas": -1}, "minimum"),
        ({"scaleMetric": "disk"}, "not one of"),
        ({"model": {"runtime": "x"}}, "required"),
        ({"model": {"modelFormat": {"name": "x"}, "protocolVersion": "v3"}}, "not one of"),
        ({"storageUris": [{"uri": "s3://b", "mountPath": "relative"}]}, "does not match"),
    ],
)
def test_a_bad_predictor_is_refused(
    predictor_spec: dict[str, Any], word: str, validate: Callable[[Manifest], list[str]]
) -> None:
    isvc = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "m"}}
    assert any(word in fault for fault in validate(isvc | {"spec": {"predictor": predictor_spec}}))
