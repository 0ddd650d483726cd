"""Manifests as the API server spells them, so that what was applied equals what is read back.

It rounds quantities up to a thousandth and writes them in their shortest form (`1000m` -> `1`, `1024Mi` -> `1Gi`;
apimachinery `Quantity.CanonicalizeBytes`), leaves out nulls and empty `value`s, and server-side apply refuses two
environment entries with one name.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from mooring_api.quantity import parse_quantity
from mooring_operator.core.observed import Manifest
from mooring_operator.core.strategic_merge import merge_by

_EXPONENT = re.compile(r"[eE][-+]?[0-9]")
_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"E": 6, "P": 5, "T": 4, "G": 3, "M": 2, "k": 1, "": 0, "m": -1}


def canonical_quantity(value: object) -> str:
    """The API server's spelling of a quantity; text that is none, or has an exponent, stays as it is."""
    text = str(value)
    if _EXPONENT.search(text):
        return text
    try:
        exact = parse_quantity(text)
    except ValueError:
        return text
    amount = Fraction(math.ceil(exact * 1000), 1000)
    if text[-2:] in _BINARY and amount.denominator == 1 and amount >= 1024:
        return _shortest_binary(amount.numerator)
    return _shortest_decimal(amount)


def canonical_container(container: Mapping[str, Any]) -> Manifest:
    """A container with its quantities and its environment in canonical form."""
    made: Manifest = without_nulls(dict(container))
    if resources := made.get("resources"):
        made["resources"] = {kind: _amounts(kind, entries) for kind, entries in resources.items()}
    if env := made.get("env"):
        made["env"] = [_env_entry(entry) for entry in merge_by("name", env, [])]
    return made


def _amounts(kind: str, entries: Any) -> Any:
    if kind == "claims":
        return entries
    return {name: canonical_quantity(value) for name, value in entries.items()}


def without_nulls(value: Any) -> Any:
    """`value` without null members, at any depth."""
    if isinstance(value, Mapping):
        return {name: without_nulls(entry) for name, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [without_nulls(entry) for entry in value]
    return value


def _env_entry(entry: Manifest) -> Manifest:
    return {"name": entry["name"]} if entry.get("value") == "" else entry


def _shortest_binary(amount: int) -> str:
    power = 0
    while amount % 1024 == 0 and power < len(_BINARY):
        amount, power = amount // 1024, power + 1
    return f"{amount}{_BINARY[power - 1] if power else ''}"


def _shortest_decimal(amount: Fraction) -> str:
    fitting = ((suffix, amount / Fraction(1000) ** power) for suffix, power in _DECIMAL.items())
    suffix, scaled = next((suffix, scaled) for suffix, scaled in fitting if scaled.denominator == 1)
    return f"{scaled.numerator}{suffix if scaled else ''}"
