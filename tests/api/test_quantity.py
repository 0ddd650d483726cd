"""Quantities are exact, and the pattern of the CRD admits just what can be read."""

import contextlib
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_api.base import QUANTITY_PATTERN
from mooring_api.quantity import format_bytes, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", Fraction(0)),
        ("1", Fraction(1)),
        ("256Mi", Fraction(268435456)),
        ("1.5Gi", Fraction(1610612736)),
        ("2G", Fraction(2 * 10**9)),
        ("1Ki", Fraction(1024)),
        ("1k", Fraction(1000)),
        ("500m", Fraction(1, 2)),
        ("1u", Fraction(1, 10**6)),
        ("1n", Fraction(1, 10**9)),
        ("1e3", Fraction(1000)),
        ("1E3", Fraction(1000)),
        ("1E", Fraction(10**18)),
        ("1Ei", Fraction(2**60)),
        ("-1.5Gi", Fraction(-1610612736)),
        ("+1", Fraction(1)),
        (".5", Fraction(1, 2)),
        ("1.", Fraction(1)),
        ("0.1", Fraction(1, 10)),
    ],
)
def test_known_values(text: str, value: Fraction) -> None:
    assert re.match(QUANTITY_PATTERN, text)
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", ["", "Mi", "1GiB", "1 Gi", "1Zi", "one", "NaN", "Infinity", "1_000", "0x10", "1e3Mi"])
def test_what_is_no_quantity_is_refused_and_quoted(text: str) -> None:
    assert not re.match(QUANTITY_PATTERN, text)
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        parse_quantity(text)


NUMBERS = st.from_regex(r"[+-]?([0-9]{1,12}(\.[0-9]{0,6})?|\.[0-9]{1,6})", fullmatch=True)
ENDINGS = st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])


@given(NUMBERS, ENDINGS | st.integers(-99, 99).map(lambda exponent: f"e{exponent}"))
def test_what_the_pattern_admits_can_be_read(number: str, ending: str) -> None:
    assert re.match(QUANTITY_PATTERN, number + ending)
    assert (parse_quantity(number + ending) == 0) == (parse_quantity(number) == 0)


@given(st.text(alphabet="0123456789.+-eEKMGimnu _", max_size=8))
def test_what_can_be_read_the_pattern_admits(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_quantity(text)
        assert re.match(QUANTITY_PATTERN, text)


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "1e1.5"])
def test_an_exponent_that_no_machine_has_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="not a resource quantity"):
        parse_quantity(text)


@given(st.integers(-(10**9), 10**9), st.sampled_from([("Ki", 1024), ("Mi", 1024**2), ("k", 1000), ("G", 10**9)]))
def test_whole_numbers_are_exact_at_any_size(number: int, suffix: tuple[str, int]) -> None:
    assert parse_quantity(f"{number}{suffix[0]}") == number * suffix[1]


@given(st.fractions(min_value=0, max_value=10**15).map(lambda value: value.limit_denominator(1000)))
def test_milli_quantities_add_up_without_rounding(value: Fraction) -> None:
    milli = int(value * 1000)
    assert sum([parse_quantity(f"{milli}m")] * 1000) == milli


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0"), (1023, "1023"), (1024, "1Ki"), (268435456, "256Mi"), (1610612736, "1.5Gi"), (-1073741824, "-1Gi")],
)
def test_sizes_are_short_in_messages(size: int, text: str) -> None:
    assert format_bytes(size) == text
