"""CustomResourceDefinitions made from the contract types: structural OpenAPI v3 schemas, CEL rules, printer columns.

Pure: types in, plain dicts out; `crds/generate.py` writes them as YAML. What structural means: Kubernetes'
"Extend the Kubernetes API with CustomResourceDefinitions" (no $ref, no additionalProperties beside properties).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from mooring_api.base import ApiModel
from mooring_api.names import GROUP
from mooring_api.v1alpha1 import ClusterServingRuntime, ServingRuntime, TrainedModel
from mooring_api.v1beta1 import InferenceService

Schema = dict[str, Any]
PRESERVE = "x-kubernetes-preserve-unknown-fields"


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    json_path: str
    type: str = "string"


@dataclass(frozen=True)
class Kind:
    """One custom resource: its type and how the API server presents it."""

    model: type[ApiModel]
    version: str
    plural: str
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    has_status: bool = True
    """Whether status is a subresource; written by the operator alone."""

    @property
    def name(self) -> str:
        """The kind's name, which is its class's."""
        return self.model.__name__


def _traffic(which: str, field: str) -> str:
    return f".status.components.predictor.traffic[?(@.{which})].{field}"


_URL = Column("URL", ".status.url")
_READY = Column("Ready", ".status.conditions[?(@.type=='Ready')].status")
_AGE = Column("Age", ".metadata.creationTimestamp", "date")
_RUNTIME_COLUMNS = (
    Column("Disabled", ".spec.disabled", "boolean"),
    Column("ModelType", ".spec.supportedModelFormats[*].name"),
    Column("Containers", ".spec.containers[*].name"),
    _AGE,
)
_SERVICE_COLUMNS = (
    _URL,
    _READY,
    Column("Prev", _traffic("tag=='prev'", "percent"), "integer"),
    Column("Latest", _traffic("latestRevision==true", "percent"), "integer"),
    Column("PrevRolledoutRevision", _traffic("tag=='prev'", "revisionName")),
    Column("LatestReadyRevision", _traffic("latestRevision==true", "revisionName")),
    _AGE,
)

KINDS = (
    Kind(InferenceService, "v1beta1", "inferenceservices", _SERVICE_COLUMNS, ("isvc",)),
    Kind(ServingRuntime, "v1alpha1", "servingruntimes", _RUNTIME_COLUMNS, has_status=False),
    Kind(
        ClusterServingRuntime,
        "v1alpha1",
        "clusterservingruntimes",
        _RUNTIME_COLUMNS,
        namespaced=False,
        has_status=False,
    ),
    Kind(TrainedModel, "v1alpha1", "trainedmodels", (_URL, _READY, _AGE), ("tm",)),
)
"""Columns, short names and scopes are KServe's (spec: kserve-control-plane section 0)."""


def manifest(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of `kind`; equal types give equal dicts, keys in reading order."""
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [
            {"name": column.name, "type": column.type, "jsonPath": column.json_path} for column in kind.columns
        ],
        "subresources": {"status": {}} if kind.has_status else {},
        "schema": {"openAPIV3Schema": root_schema(kind.model)},
    }
    singular = kind.name.lower()
    names = {"kind": kind.name, "listKind": f"{kind.name}List", "plural": kind.plural, "singular": singular}
    return definition(
        GROUP, names | {"shortNames": [*kind.short_names], "categories": ["mooring"]}, kind.namespaced, version
    )


def definition(group: str, names: Mapping[str, Any], namespaced: bool, version: Mapping[str, Any]) -> dict[str, Any]:
    """The envelope of a CustomResourceDefinition with one version; empty name lists are left out.

    Helm keeps it when the chart goes: removing a definition would remove every object of it, and their pods.
    """
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}", "annotations": {"helm.sh/resource-policy": "keep"}},
        "spec": {
            "group": group,
            "names": {key: value for key, value in names.items() if value},
            "scope": "Namespaced" if namespaced else "Cluster",
            "versions": [dict(version)],
        },
    }


def root_schema(model: type[BaseModel]) -> Schema:
    """The schema of a whole object: the model's fields beside apiVersion, kind and metadata."""
    schema = structural_schema(model)
    envelope: Schema = {
        "apiVersion": {"type": "string", "description": "Version of the schema of this object."},
        "kind": {"type": "string", "description": "Kind of this object."},
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 253}}},
    }
    return schema | {"properties": envelope | schema["properties"]}


def structural_schema(model: type[BaseModel]) -> Schema:
    """The model's JSON schema in the structural form: references inlined, null and title gone.

    A default is kept only when it says more than absence does (not None, "", 0, false or empty).
    """
    document = model.model_json_schema(by_alias=True)
    return _structural(document, document.get("$defs", {}))


def _structural(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    node = _resolved(node, definitions)
    schema: Schema = {}
    for key, value in node.items():
        schema.update(_KEYWORDS.get(key, _keep)(key, value, definitions))
    return schema


def _resolved(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """`node` with its reference or its "or null" replaced by what it means; the node's own keywords win."""
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        return _resolved(target | {key: value for key, value in node.items() if key != "$ref"}, definitions)
    alternatives = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    if len(alternatives) == 1:
        own = {key: value for key, value in node.items() if key != "anyOf"}
        return _resolved(alternatives[0] | own, definitions)
    return node


def _keep(key: str, value: Any, _: Mapping[str, Schema]) -> Schema:
    return {key: value}


def _drop(_key: str, _value: Any, _: Mapping[str, Schema]) -> Schema:
    return {}


def _default(key: str, value: Any, _: Mapping[str, Schema]) -> Schema:
    return {key: value} if value else {}


def _description(key: str, value: str, _: Mapping[str, Schema]) -> Schema:
    return {key: re.sub(r"(?<!\n)\n(?!\n)", " ", value)}


def _const(_key: str, value: Any, _: Mapping[str, Schema]) -> Schema:
    return {"enum": [value]}


def _properties(key: str, value: Mapping[str, Schema], definitions: Mapping[str, Schema]) -> Schema:
    return {key: {name: _structural(schema, definitions) for name, schema in value.items()}}


def _items(key: str, value: Schema, definitions: Mapping[str, Schema]) -> Schema:
    return {key: _structural(value, definitions)}


def _additional(key: str, value: Any, definitions: Mapping[str, Schema]) -> Schema:
    return {PRESERVE: True} if value is True else {key: _structural(value, definitions)}


_KEYWORDS: dict[str, Callable[[str, Any, Mapping[str, Schema]], Schema]] = {
    "$defs": _drop,
    "title": _drop,
    "default": _default,
    "description": _description,
    "const": _const,
    "properties": _properties,
    "items": _items,
    "additionalProperties": _additional,
}
