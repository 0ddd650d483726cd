"""Manifest files as objects: YAML read and checked, every fault with its file, line and field.

`${NAME}` in a value stands for the environment variable NAME (as `envsubst` does before `kubectl apply`); a variable
that is not set is a fault, not an empty text.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from mooring_api import names
from mooring_api.base import ApiModel
from mooring_api.v1alpha1 import ClusterServingRuntime, ServingRuntime, TrainedModel
from mooring_api.v1beta1 import InferenceService
from mooring_operator.core.observed import Manifest
from mooring_operator.local.objects import Id, id_of
from mooring_operator.local.unknown_fields import unknown_fields

OURS: Mapping[str, tuple[str, type[ApiModel]]] = {
    "InferenceService": (f"{names.GROUP}/v1beta1", InferenceService),
    "TrainedModel": (f"{names.GROUP}/v1alpha1", TrainedModel),
    "ServingRuntime": (f"{names.GROUP}/v1alpha1", ServingRuntime),
    "ClusterServingRuntime": (f"{names.GROUP}/v1alpha1", ClusterServingRuntime),
}
PLAIN = ("ConfigMap", "PersistentVolumeClaim", "Secret", "ServiceAccount")
"""Kinds of Kubernetes' own (v1) that our services refer to; kept as they are."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class Fault:
    """Something wrong in a file: where, what, and what to do."""

    path: str
    line: int
    document: int
    """Counted from 1, as `---` separates them."""
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} (document {self.document}): {self.message}"


@dataclass(frozen=True)
class Document:
    """One good object and where it stands."""

    path: str
    line: int
    number: int
    body: Manifest

    @property
    def id(self) -> Id:
        """The object's identity."""
        return id_of(self.body)


@dataclass(frozen=True)
class Reading:
    """What a file says."""

    documents: tuple[Document, ...] = ()
    faults: tuple[Fault, ...] = ()
    ignored: tuple[str, ...] = ()
    """Documents of kinds that local mode has no use for, in words."""


class _Wrong(Exception):
    """A fault of the document that is being read; `node` is where."""

    def __init__(self, message: str, node: yaml.Node) -> None:
        super().__init__(message)
        self.node = node


def read(text: str, path: str, environ: Mapping[str, str]) -> Reading:
    """The objects of a file's text. Reading ends at text that is no YAML: what follows cannot be told apart."""
    documents: list[Document] = []
    faults: list[Fault] = []
    ignored: list[str] = []
    number = 0
    try:
        for number, node in _nodes(text):
            line = node.start_mark.line + 1
            try:
                body = _object(node, environ)
            except _Wrong as exc:
                faults.append(Fault(path, exc.node.start_mark.line + 1, number, str(exc)))
                continue
            if body["kind"] in OURS or body["kind"] in PLAIN:
                documents.append(Document(path, line, number, body))
            else:
                ignored.append(
                    f"{path}:{line} (document {number}): {body['kind']} has no meaning in local mode: ignored"
                )
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        message = (
            f"this is not YAML: {exc.problem or exc.context}; look at indentation, quotes and colons near this line"
        )
        faults.append(Fault(path, mark.line + 1 if mark else 1, number + 1, message))
    except yaml.YAMLError as exc:
        faults.append(Fault(path, 1, number + 1, f"this is not YAML: {exc}"))
    return Reading(tuple(documents), tuple(faults), tuple(ignored))


def _nodes(text: str) -> Iterator[tuple[int, yaml.Node]]:
    """The documents as node trees; empty ones (comments only) are left out but counted."""
    loader = yaml.SafeLoader(text)
    try:
        number = 0
        while loader.check_node():
            number += 1
            node = loader.get_node()
            if node is not None and node.tag != "tag:yaml.org,2002:null":
                yield number, node
    finally:
        loader.dispose()


def _object(node: yaml.Node, environ: Mapping[str, str]) -> Manifest:
    _substitute(node, environ)
    body = _construct(node)
    if not isinstance(body, dict):
        raise _Wrong("a manifest is a mapping with apiVersion, kind, metadata and spec", node)
    kind, version = body.get("kind"), body.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(version, str):
        raise _Wrong("apiVersion or kind is missing", node)
    group_version = OURS[kind][0] if kind in OURS else "v1"
    if (kind in OURS or kind in PLAIN) and version != group_version:
        raise _Wrong(f"apiVersion: {kind} is of {group_version}, not {version!r}", _find(node, ("apiVersion",)))
    _check_name(kind, body.get("metadata"), node)
    if kind in OURS:
        _check_spec(OURS[kind][1], body, node)
    for field in ("data", "stringData", "binaryData"):
        _check_data(kind, field, body.get(field), _find(node, (field,)))
    return body


def _check_data(kind: str, field: str, data: object, node: yaml.Node) -> None:
    """The data of a Secret or ConfigMap is a mapping of texts; in `data` of a Secret and in `binaryData` base64."""
    if kind not in ("Secret", "ConfigMap") or data is None:
        return
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise _Wrong(f"{field}: the data of a {kind} is a mapping of names to texts; put numbers in quotes", node)
    if (kind, field) in (("Secret", "data"), ("ConfigMap", "binaryData")):
        for key, value in data.items():
            try:
                base64.b64decode(value, validate=True)
            except ValueError as exc:
                hint = "; plain text goes under stringData" if kind == "Secret" else ""
                raise _Wrong(f"{field}.{key}: this is not base64{hint}", _find(node, (key,))) from exc


def _check_name(kind: str, meta: object, node: yaml.Node) -> None:
    if not isinstance(meta, dict) or not meta.get("name"):
        raise _Wrong(f"metadata.name is missing; every {kind} needs a name", _find(node, ("metadata",)))
    name = meta["name"]
    pattern = re.compile(names.SERVICE_NAME_PATTERN) if kind == "InferenceService" else _NAME
    if not isinstance(name, str) or len(name) > 253 or pattern.fullmatch(name) is None:
        message = f"metadata.name: {name!r} is no name for a {kind}; use lower case letters, digits and '-'"
        raise _Wrong(message, _find(node, ("metadata", "name")))


def _check_spec(model: type[ApiModel], body: Manifest, node: yaml.Node) -> None:
    for loc, hint in unknown_fields(model, {k: v for k, v in body.items() if k == "spec"}):
        raise _Wrong(f"{_dotted(loc)}: unknown field{hint}", _find(node, loc))
    try:
        model.model_validate({"spec": body.get("spec")})
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        first = errors[0]
        given = "" if first["type"] == "missing" else f" (it is {first['input']!r:.80})"
        more = f"; and {len(errors) - 1} more in this document" if len(errors) > 1 else ""
        message = f"{_dotted(first['loc'])}: {first['msg']}{given}{more}"
        raise _Wrong(message, _find(node, first["loc"])) from exc


def _dotted(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc)


def _find(node: yaml.Node, loc: tuple[int | str, ...]) -> yaml.Node:
    """The node at `loc`, or the deepest one on the way there."""
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = next((value for key, value in node.value if key.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = node.value[part]
        else:
            found = None
        if found is None:
            break
        node = found
    return node


def _construct(node: yaml.Node) -> Any:
    constructor = yaml.SafeLoader("")
    try:
        return constructor.construct_document(node)
    except yaml.constructor.ConstructorError as exc:
        raise _Wrong(f"{exc.problem}", node) from exc
    finally:
        constructor.dispose()


def _substitute(node: yaml.Node, environ: Mapping[str, str]) -> None:
    """Fill in ${NAME} in every value; a plain value then means what it would mean if written so."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                raise _Wrong(f"{key.value!r} is given twice in this mapping; keep one", key)
            seen.add(str(key.value))
            _substitute(value, environ)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _substitute(item, environ)
    elif isinstance(node, yaml.ScalarNode) and "${" in node.value:
        filled = _VARIABLE.sub(lambda match: _variable(match[1], environ, node), node.value)
        if filled != node.value:
            node.value = filled
            if node.style is None:
                node.tag = yaml.SafeLoader("").resolve(yaml.ScalarNode, filled, (True, False))  # type: ignore[no-untyped-call]  # the stub lacks it


def _variable(name: str, environ: Mapping[str, str], node: yaml.Node) -> str:
    if name not in environ:
        raise _Wrong(f"${{{name}}} is not set in the environment; export {name}=... before `mooring local up`", node)
    return environ[name]
