"""What an API server would refuse is refused, with its field."""

from typing import Any

import pytest

from mooring_operator.local.pod_validation import faults

GOOD = {"name": "kserve-container", "image": "x"}


def template(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


def test_a_good_pod_has_no_faults() -> None:
    container = GOOD | {
        "args": ["a"],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {}}],
        "ports": [{"containerPort": 8080, "name": "http1"}],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        "readinessProbe": {"httpGet": {"port": "http1", "path": "/"}, "periodSeconds": 1},
    }
    assert faults(template(container, volumes=[{"name": "v", "emptyDir": {}}])) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "A_b"}, "name"),
        ({"image": ""}, "image"),
        ({"image": None}, "image"),
        ({"args": "--x"}, "args"),
        ({"command": [1]}, "command"),
        ({"ports": [{"containerPort": "8080"}]}, "ports[0].containerPort"),
        ({"ports": [{"containerPort": 70000}]}, "ports[0].containerPort"),
        ({"env": [{"value": "1"}]}, "env[0].name"),
        ({"env": [{"name": "A", "value": 1}]}, "env[0].value"),
        ({"volumeMounts": [{"name": "none", "mountPath": "/v"}]}, "volumeMounts[0].name"),
        ({"readinessProbe": {"periodSeconds": 1}}, "readinessProbe"),
        ({"livenessProbe": {"httpGet": {"path": "/"}}}, "livenessProbe.httpGet.port"),
        ({"startupProbe": {"tcpSocket": {"port": 1}, "periodSeconds": "1"}}, "startupProbe.periodSeconds"),
    ],
)
def test_a_fault_names_its_field(change: dict[str, Any], field: str) -> None:
    found = faults(template(GOOD | change))
    assert [fault.split(": ")[0] for fault in found] == [f"spec.template.spec.containers[0].{field}"]


def test_a_pod_needs_containers_with_different_names() -> None:
    assert faults(template())
    assert "twice" in faults(template(GOOD, GOOD))[0]
