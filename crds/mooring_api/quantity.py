"""Kubernetes resource quantities as exact numbers (apimachinery `resource.Quantity`)."""

import re
from fractions import Fraction

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


_GRAMMAR = re.compile(
    r"(?P<number>[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+))((?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,2}))?"
)
"""Of apimachinery's `ParseQuantity`; exponents of three digits are refused, no machine is that large."""


def parse_quantity(text: str) -> Fraction:
    """The exact value of a quantity such as `256Mi`, `1.5Gi`, `500m`, `1e3` or `2`.

    Raises:
        ValueError: the text is not a quantity; the message quotes it.
    """
    found = _GRAMMAR.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a resource quantity; write for example 256Mi, 1Gi or 500m")
    number, suffix = Fraction(found["number"]), found["suffix"] or ""
    scale: Fraction  # a power of a Fraction is untyped, since its exponent may be a fraction too
    if found["exponent"]:
        scale = Fraction(10) ** int(found["exponent"])
    elif suffix in _BINARY:
        scale = Fraction(1024 ** _BINARY[suffix])
    else:
        scale = Fraction(1000) ** _DECIMAL[suffix]
    return number * scale


def format_bytes(size_bytes: Fraction | int) -> str:
    """A short binary quantity for messages: 268435456 -> `256Mi`, 1610612736 -> `1.5Gi`."""
    size = Fraction(size_bytes)
    for suffix, power in reversed(_BINARY.items()):
        if abs(size) >= 1024**power:
            return f"{float(size / 1024**power):.4g}{suffix}"
    return f"{float(size):.4g}"
