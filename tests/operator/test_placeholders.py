import pytest

from mooring_operator.core.observed import Meta
from mooring_operator.core.placeholders import fill
from mooring_operator.core.refusal import Refused

META = Meta("svc", "ns", labels={"modelClass": "C", "a.b/c": "dotted"}, annotations={"modelFormat": "sklearn"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--model_name={{.Name}}", "--model_name=svc"),
        ("{{ .Namespace }}/{{- .Name -}}", "ns/svc"),
        ("{{.Labels.modelClass}}-{{.Annotations.modelFormat}}", "C-sklearn"),
        ('{{index .Labels "a.b/c"}}', "dotted"),
        ("$(VAR) {x}", "$(VAR) {x}"),
    ],
    ids=["name", "spaces", "label-and-annotation", "index", "no-placeholder"],
)
def test_a_placeholder_is_replaced_by_the_services_metadata(text: str, expected: str) -> None:
    assert fill(text, META) == expected


def test_placeholders_are_found_at_any_depth() -> None:
    container = {"args": ["{{.Name}}"], "env": [{"value": "{{.Namespace}}"}], "ports": [{"containerPort": 8080}]}
    assert fill(container, META) == {"args": ["svc"], "env": [{"value": "ns"}], "ports": [{"containerPort": 8080}]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{.Labels.other}}", "has no label 'other'"),
        ('{{index .Annotations "x/y"}}', "has no annotation 'x/y'"),
        ("{{.Spec}}", "unknown placeholder {{.Spec}}"),
    ],
    ids=["label", "annotation", "unknown"],
)
def test_a_placeholder_without_a_value_is_refused_with_what_to_do(text: str, told: str) -> None:
    with pytest.raises(Refused, match=r"InferenceService|known are") as caught:
        fill(text, META)
    assert told in caught.value.message
    assert caught.value.reason == "InvalidPredictorSpec"
