from collections.abc import Callable
from typing import Any

import pytest

from mooring_api.v1beta1 import ModelFormat
from mooring_operator.core.observed import Runtime
from mooring_operator.core.refusal import Refused
from mooring_operator.core.runtime_choice import lowest_protocol, named_runtime, selected_runtime

Build = Callable[..., Runtime]
TORCH = ModelFormat(name="pytorch")


def _made(at: str) -> dict[str, Any]:
    return {"metadata": {"creationTimestamp": at}}


def _selected(runtimes: list[Runtime], *, protocol: str | None = None, has_storage: bool = True) -> str:
    return selected_runtime(TORCH, protocol, "ns", runtimes, has_storage=has_storage).meta.name


def test_the_namespaces_runtime_comes_before_the_clusters(runtime: Build) -> None:
    formats = [{"name": "pytorch"}]
    runtimes = [runtime("cluster", [{"name": "pytorch", "priority": 9}], cluster=True), runtime("local", formats)]
    assert _selected(runtimes) == "local"
    twins = [runtime("same", formats, cluster=True), runtime("same", formats)]
    assert not named_runtime("same", TORCH, None, "ns", twins).cluster_scoped


@pytest.mark.parametrize(
    ("one", "other", "chosen"),
    [
        ({"priority": 1}, {"priority": 2}, "other"),
        ({}, {"priority": 1}, "other"),
        ({"priority": 1}, {}, "one"),
    ],
    ids=["higher-priority", "none-comes-last", "any-beats-none"],
)
def test_priority_decides_among_runtimes_of_one_scope(
    runtime: Build, one: dict[str, int], other: dict[str, int], chosen: str
) -> None:
    runtimes = [runtime("one", [{"name": "pytorch", **one}]), runtime("other", [{"name": "pytorch", **other}])]
    assert _selected(runtimes) == chosen


def test_then_the_lower_protocol_then_the_newer_then_the_first_name(runtime: Build) -> None:
    formats = [{"name": "pytorch"}]
    by_protocol = [runtime("a", formats), runtime("b", formats, protocolVersions=["v2", "v1"])]
    by_age = [runtime("a", formats, **_made("2026-01-01")), runtime("b", formats, **_made("2026-02-01"))]
    by_name = [runtime("b", formats), runtime("a", formats)]
    assert [_selected(by_protocol), _selected(by_age), _selected(by_name)] == ["b", "b", "a"]


@pytest.mark.parametrize(
    "spec",
    [
        {"disabled": True},
        {"workerSpec": {}},
        {"multiModel": True},
        {"protocolVersions": ["v2"]},
        {"supportedModelFormats": [{"name": "pytorch"}]},
        {"supportedModelFormats": [{"name": "PyTorch", "autoSelect": True}]},
    ],
    ids=["disabled", "multi-node", "multi-model", "other-protocol", "no-auto-select", "exact-name"],
)
def test_a_runtime_that_does_not_fit_is_not_chosen(runtime: Build, spec: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="There are: one") as caught:
        _selected([runtime("one", [{"name": "pytorch"}], **spec)])
    assert caught.value.reason == "NoSupportingRuntime"


def test_without_storage_a_multi_model_runtime_is_preferred(runtime: Build) -> None:
    runtimes = [runtime("many", [{"name": "pytorch"}], multiModel=True), runtime("a", [{"name": "pytorch"}])]
    assert _selected(runtimes, has_storage=False) == "many"
    assert _selected(runtimes, has_storage=True) == "a"


def test_a_version_is_matched_exactly(runtime: Build) -> None:
    runtimes = [
        runtime("one", [{"name": "pytorch", "version": "1"}]),
        runtime("two", [{"name": "pytorch", "version": "2"}]),
    ]
    found = selected_runtime(ModelFormat(name="pytorch", version="2"), None, "ns", runtimes, has_storage=True)
    assert found.meta.name == "two"
    with pytest.raises(Refused, match="pytorch version 3"):
        selected_runtime(ModelFormat(name="pytorch", version="3"), None, "ns", runtimes, has_storage=True)


def test_the_list_of_what_exists_is_short(runtime: Build) -> None:
    with pytest.raises(Refused, match="and 2 more"):
        _selected([runtime(f"r{index}", disabled=True) for index in range(12)])
    with pytest.raises(Refused, match="There are no runtimes at all"):
        _selected([])


@pytest.mark.parametrize(
    ("spec", "reason", "told"),
    [
        ({"disabled": True}, "RuntimeDisabled", "is disabled"),
        ({"workerSpec": {}}, "NoSupportingRuntime", "multi-node"),
        ({"protocolVersions": ["v1"]}, "NoSupportingRuntime", "it speaks v1"),
        ({"supportedModelFormats": []}, "NoSupportingRuntime", "it serves no format"),
    ],
    ids=["disabled", "multi-node", "protocol", "format"],
)
def test_a_named_runtime_that_does_not_fit_is_refused(
    runtime: Build, spec: dict[str, Any], reason: str, told: str
) -> None:
    with pytest.raises(Refused, match=told) as caught:
        named_runtime("mine", TORCH, "v2", "ns", [runtime("mine", [{"name": "pytorch"}], cluster=True, **spec)])
    assert caught.value.reason == reason
    assert "ClusterServingRuntime mine" in caught.value.message


def test_a_named_runtime_needs_no_auto_select(runtime: Build) -> None:
    mine = runtime("mine", [{"name": "pytorch", "autoSelect": False}], multiModel=True)
    assert named_runtime("mine", TORCH, None, "ns", [mine]) is mine


def test_a_missing_runtime_is_told_with_what_exists(runtime: Build) -> None:
    with pytest.raises(Refused, match=r"There are: other \(pytorch 2\)") as caught:
        named_runtime("mine", TORCH, None, "ns", [runtime("other", [{"name": "pytorch", "version": "2"}])])
    assert caught.value.reason == "RuntimeNotRecognized"


def test_the_lowest_protocol_follows_kserves_order(runtime: Build) -> None:
    assert lowest_protocol(runtime("a", protocolVersions=["grpc-v2", "v2"])) == "v2"
    assert lowest_protocol(runtime("a")) is None
