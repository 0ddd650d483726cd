"""The `{{.Name}}` placeholders of a ServingRuntime's container (spec: kserve-control-plane section 2.5).

The four forms that runtimes use of Go's text/template. An unknown key is an error here (KServe writes `<no value>`
into the command).
"""

import re
from collections.abc import Mapping
from typing import Any

from mooring_operator.core.observed import Meta
from mooring_operator.core.refusal import INVALID_PREDICTOR, Refused

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")
_FIELD = re.compile(r"\.(Name|Namespace)")
_ENTRY = re.compile(r'(?:\.(Labels|Annotations)\.(\w+)|index \.(Labels|Annotations) "([^"]+)")')


def fill(value: Any, meta: Meta) -> Any:
    """`value` with the placeholders in all of its strings, at any depth, replaced.

    Raises:
        Refused: a placeholder is unknown, or the InferenceService has no such label or annotation.
    """
    if isinstance(value, str):
        return _ACTION.sub(lambda match: _resolve(match[1], match[0], meta), value)
    if isinstance(value, Mapping):
        return {name: fill(entry, meta) for name, entry in value.items()}
    if isinstance(value, list):
        return [fill(entry, meta) for entry in value]
    return value


def _resolve(action: str, text: str, meta: Meta) -> str:
    if field := _FIELD.fullmatch(action):
        return {"Name": meta.name, "Namespace": meta.namespace}[field[1]]
    if entry := _ENTRY.fullmatch(action):
        kind, key = entry[1] or entry[3], entry[2] or entry[4]
        table = {"Labels": meta.labels, "Annotations": meta.annotations}[kind]
        if key in table:
            return table[key]
        what = kind.lower().removesuffix("s")
        raise Refused(
            INVALID_PREDICTOR,
            f"The runtime's container uses {text}, but InferenceService {meta.name} has no {what} {key!r}; add it.",
        )
    raise Refused(
        INVALID_PREDICTOR,
        f"The runtime's container uses the unknown placeholder {text}; known are {{{{.Name}}}}, {{{{.Namespace}}}}, "
        "{{.Labels.KEY}} and {{.Annotations.KEY}}.",
    )
