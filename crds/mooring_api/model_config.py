"""`models.json`: the list of models that the operator writes into a ConfigMap and the agent follows.

The file is one JSON array, as KServe writes it:
`[{"modelName": ..., "modelSpec": {"storageUri": ..., "framework": ..., "memory": ...}}]`.
Ours is sorted by name and byte-stable: equal lists give equal bytes, so nobody rewrites what did not change (KServe: Go
map order, a rewrite for every touch).
"""

import hashlib
import json
from collections.abc import Iterable

from pydantic import TypeAdapter, ValidationError

from mooring_api.base import ApiModel
from mooring_api.v1alpha1 import ModelSpec


class InvalidModelConfig(ValueError):
    """The text is not a model list; the message names the entry and the fault."""


class ModelConfig(ApiModel):
    """One entry of the list."""

    model_name: str
    """Name of the model: its folder under /mnt/models and its name in the v2 API."""
    model_spec: ModelSpec
    """Where its files are and what it needs."""


_LIST = TypeAdapter(tuple[ModelConfig, ...])


def dumps(entries: Iterable[ModelConfig]) -> str:
    """The list as `models.json` holds it: compact, sorted by model name, one final form for equal content."""
    ordered = sorted(entries, key=lambda entry: entry.model_name)
    return json.dumps([entry.to_wire() for entry in ordered], separators=(",", ":"), ensure_ascii=False)


def loads(text: str | bytes) -> tuple[ModelConfig, ...]:
    """The entries of `text`, in its order; unknown fields are ignored.

    Raises:
        InvalidModelConfig: not JSON, not an array of entries, or a name given twice.
    """
    try:
        entries = _LIST.validate_json(text)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InvalidModelConfig(f"models.json: {where}: {first['msg']}") from exc
    seen: set[str] = set()
    for entry in entries:
        if entry.model_name in seen:
            raise InvalidModelConfig(f"models.json: model {entry.model_name!r} is listed twice; names must be unique")
        seen.add(entry.model_name)
    return entries


def digest(text: str | bytes) -> str:
    """Identity of a list's exact bytes (sha256, hex): the operator asks whether the agent has seen this one."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def download_id(spec: ModelSpec) -> str:
    """Identity of a model's bytes (hex): only what changes the download, so an edit of memory fetches nothing."""
    return hashlib.sha256(spec.storage_uri.encode()).hexdigest()
