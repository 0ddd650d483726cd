"""A container's variables."""

import base64
from pathlib import Path
from typing import Any

import pytest

from mooring_operator.local.environment import container_env, decode_config_map, decode_secret
from mooring_operator.local.volumes import Mount, Sources, VolumeUnavailable

POD: dict[str, Any] = {"metadata": {"name": "p", "namespace": "ns"}, "spec": {}}
SOURCES = Sources({"cm": {"a": b"1", "b": b"2"}}, {"s": {"k": b"hush"}}, frozenset(), Path("/pvc"))
MOUNTS = (Mount("/mnt/models", Path("/host")),)


def env(*entries: dict[str, Any], **container: Any) -> dict[str, str]:
    found = container_env({"env": list(entries), **container}, POD, SOURCES, MOUNTS, {"BASE": "x"})
    return {name: value for name, value in found.items() if name not in ("BASE", "HOSTNAME", "PYTHONUNBUFFERED")}


def test_the_shells_variables_are_there_and_the_pods_name() -> None:
    found = container_env({}, POD, SOURCES, (), {"BASE": "x"})
    assert found == {"BASE": "x", "HOSTNAME": "p", "PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"name": "A", "value": "1"}, {"A": "1"}),
        ({"name": "A"}, {"A": ""}),
        ({"name": "A", "value": "/mnt/models/x"}, {"A": "/host/x"}),
        ({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, {"A": "hush"}),
        ({"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "b"}}}, {"A": "2"}),
        ({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}, {"A": "ns"}),
        ({"name": "A", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k", "optional": True}}}, {}),
        ({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "none", "optional": True}}}, {}),
    ],
)
def test_values(entry: dict[str, Any], expected: dict[str, str]) -> None:
    assert env(entry) == expected


def test_later_variables_may_use_earlier_ones() -> None:
    assert env({"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"})["B"] == "12"


def test_whole_maps_may_have_a_prefix_and_single_values_win() -> None:
    found = env({"name": "X_a", "value": "mine"}, envFrom=[{"configMapRef": {"name": "cm"}, "prefix": "X_"}])
    assert found == {"X_a": "mine", "X_b": "2"}


@pytest.mark.parametrize(
    ("ref", "words"),
    [({"name": "none", "key": "k"}, "secret 'none' not found"), ({"name": "s", "key": "none"}, "key 'none' not found")],
)
def test_what_is_missing_is_named(ref: dict[str, str], words: str) -> None:
    with pytest.raises(VolumeUnavailable, match=words):
        env({"name": "A", "valueFrom": {"secretKeyRef": ref}})


def test_secrets_and_config_maps_are_decoded() -> None:
    encoded = base64.b64encode(b"\xff").decode()
    assert decode_secret({"data": {"a": encoded, "b": encoded}, "stringData": {"b": "ü"}}) == {
        "a": b"\xff",
        "b": "ü".encode(),
    }
    assert decode_config_map({"data": {"a": "1"}, "binaryData": {"b": encoded}}) == {"a": b"1", "b": b"\xff"}
