"""Manifests as the API server spells them, so that what was applied equals what is read back.

It writes quantities in their shortest form (`1000m` -> `1`, `1024Mi` -> `1Gi`; apimachinery
`Quantity.CanonicalizeBytes`), leaves out nulls and empty `value`s, and server-side apply refuses two environment
entries with one name.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from mooring_api.quantity import parse_quantity
from mooring_operator.observed import Manifest
from mooring_operator.strategic_merge import merge_by

_EXPONENT = re.compile(r"[eE][-+]?[0-9]")
_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


def canonical_quantity(value: object) -> str:
    """The API server's spelling of a quantity; text that is none, or has an exponent, stays as it is."""
    text = str(value)
    if _EXPONENT.search(text):
        return text
    try:
        amount = parse_quantity(text)
    except ValueError:
        return text
    if text[-2:] in _BINARY:
        if amount.denominator != 1:
            return text
        if amount >= 1024:
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
    for suffix, power in reversed(_DECIMAL.items()):
        scaled = amount / Fraction(1000) ** power
        if scaled.denominator == 1 and (scaled != 0 or suffix == ""):
            return f"{scaled.numerator}{suffix}"
    return f"{-(-amount * 10**9 // 1)}n"  # finer than nano is rounded up, as the API server does
