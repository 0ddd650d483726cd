import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_api.quantity import parse_quantity
from mooring_operator.core.render.canonical import canonical_container, canonical_quantity


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Mi", "512Ki"),
        ("0Mi", "0"),
        ("2Gi", "2Gi"),
        ("1000", "1k"),
        ("1500M", "1500M"),
        (1, "1"),
        (0.1, "100m"),
        ("129e6", "129e6"),
        ("0.1Ki", "102400m"),
        ("0.3Ki", "307200m"),
        ("1.0001Ki", "1024103m"),
        ("512", "512"),
        ("nonsense", "nonsense"),
        ("0.0000000001", "1m"),
    ],
)
def test_quantities_are_spelled_as_the_api_server_does(given_text: object, expected: str) -> None:
    assert canonical_quantity(given_text) == expected


@given(st.integers(0, 10**15), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_the_canonical_spelling_means_the_same_and_is_final(number: int, suffix: str) -> None:
    made = canonical_quantity(f"{number}{suffix}")
    assert parse_quantity(made) == parse_quantity(f"{number}{suffix}")
    assert canonical_quantity(made) == made


def test_a_container_loses_nulls_empty_values_and_repeated_names() -> None:
    container = {
        "name": "k",
        "command": None,
        "resources": {"limits": {"cpu": 1, "memory": "1024Mi"}, "claims": [{"name": "c"}], "requests": None},
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": ""}, {"name": "A", "value": "2"}],
    }
    assert canonical_container(container) == {
        "name": "k",
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "claims": [{"name": "c"}]},
        "env": [{"name": "A", "value": "2"}, {"name": "B"}],
    }


def test_a_bare_container_stays_as_it_is() -> None:
    assert canonical_container({"name": "k"}) == {"name": "k"}
