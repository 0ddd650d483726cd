"""Kubernetes resource quantities as exact numbers (apimachinery `resource.Quantity`)."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


def parse_quantity(text: str) -> Fraction:
    """The exact value of a quantity such as `256Mi`, `1.5Gi`, `500m`, `1e3` or `2`.

    Raises:
        ValueError: the text is not a quantity; the message quotes it.
    """
    stripped = text.strip()
    if stripped[-2:] in _BINARY:
        return _number(stripped[:-2], text) * Fraction(1024 ** _BINARY[stripped[-2:]])
    if stripped[-1:] in _DECIMAL and stripped[-1:]:
        return _number(stripped[:-1], text) * Fraction(1000) ** _DECIMAL[stripped[-1:]]
    return _number(stripped, text)


def _number(digits: str, text: str) -> Fraction:
    try:
        value = Decimal(digits)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a resource quantity; write for example 256Mi, 1Gi or 500m") from None
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite resource quantity")
    return Fraction(value)


def format_bytes(size_bytes: Fraction | int) -> str:
    """A short binary quantity for messages: 268435456 -> `256Mi`, 1610612736 -> `1.5Gi`."""
    size = Fraction(size_bytes)
    for suffix, power in reversed(_BINARY.items()):
        if abs(size) >= 1024**power:
            return f"{float(size / 1024**power):.4g}{suffix}"
    return f"{float(size):.4g}"
