"""The little that Mooring itself reads of a container: what the API server checks only after we have used it."""

from collections.abc import Mapping
from typing import Any

from mooring_operator.core.refusal import INVALID_PREDICTOR, Refused

_KEYS = {"env": ("name", str), "ports": ("containerPort", int), "volumeMounts": ("mountPath", str)}


def check_shape(container: Mapping[str, Any], whose: str) -> None:
    """Make sure that lists have the keys by which they are merged, and resources are objects.

    Raises:
        Refused: names the field of the container of `whose`.
    """
    label = f"container {container.get('name') or 'without name'} of {whose}"
    for field, (key, kind) in _KEYS.items():
        entries = container.get(field) or []
        good = isinstance(entries, list) and all(
            isinstance(e, Mapping) and isinstance(e.get(key), kind) for e in entries
        )
        if not good:
            raise Refused(INVALID_PREDICTOR, f"{field} of {label} must be a list of objects that each have {key}.")
    resources = container.get("resources") or {}
    amounts = (
        [resources.get("limits") or {}, resources.get("requests") or {}] if isinstance(resources, Mapping) else [0]
    )
    if not all(isinstance(entry, Mapping) for entry in amounts):
        raise Refused(INVALID_PREDICTOR, f"resources of {label} must be an object with requests and limits.")
