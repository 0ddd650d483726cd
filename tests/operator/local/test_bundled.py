"""The runtimes that local mode brings along are the chart's."""

import re
from pathlib import Path
from typing import Any

import yaml

from mooring_api.v1alpha1 import ClusterServingRuntime
from mooring_operator.local.bundled import runtimes

TEMPLATE = Path(__file__).parents[3] / "charts" / "mooring" / "templates" / "runtimes.yaml"


def test_formats_arguments_and_probe_are_those_of_the_chart() -> None:
    text = TEMPLATE.read_text()
    formats: Any = yaml.safe_load(text.partition('define "mooring.runtimeFormats" -}}')[2].partition("{{- end")[0])
    probe = yaml.safe_load(re.search(r"readinessProbe:\n(  .*\n)+", text)[0])  # type: ignore[index]  # it is there
    arguments = [
        re.sub(r'\{\{ "(.*?)" \}\}', r"\1", line.strip()[2:]) for line in re.findall(r"^ +- --.*", text, re.MULTILINE)
    ]
    made = runtimes()
    for runtime in made:
        spec = runtime["spec"]
        assert {key: spec[key] for key in formats} == formats
        assert spec["containers"][0]["readinessProbe"] == probe["readinessProbe"]
    assert [arg for runtime in made for arg in runtime["spec"]["containers"][0]["args"]] == arguments
    assert [runtime["metadata"]["name"] for runtime in made] == re.findall(
        r"^  name: (mooring-runtime.*)", text, re.MULTILINE
    )


def test_they_are_valid() -> None:
    for runtime in runtimes():
        ClusterServingRuntime.model_validate(runtime)
