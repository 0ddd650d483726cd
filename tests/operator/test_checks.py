from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_api.model_config import dumps
from mooring_api.quantity import parse_quantity
from mooring_api.v1alpha1 import TrainedModel
from mooring_operator.core.checks import MAX_LIST_BYTES, Host, admit
from mooring_operator.core.observed import Manifest, Meta, Parsed
from mooring_operator.store import parse

HOST = Host("ns", "svc", memory_limit_bytes=Fraction(1024**3))
Build = Callable[..., Manifest]


def _parsed(*bodies: Manifest) -> tuple[Parsed[TrainedModel], ...]:
    return tuple(parse(TrainedModel, body) for body in bodies)


def test_models_that_pass_are_admitted_in_order(tm: Build) -> None:
    admission = admit(_parsed(tm("b"), tm("a", storageUri="pvc://claim/m")), HOST)
    assert [entry.model_name for entry in admission.admitted] == ["b", "a"]
    assert admission.claims == ("claim",)
    assert admission.rejected == {}


@pytest.mark.parametrize(
    ("host", "model", "condition", "reason", "told"),
    [
        ({"exists": False}, {}, "InferenceServiceReady", "InferenceServiceNotFound", "create it, or correct"),
        ({"refusal": "no runtime."}, {}, "InferenceServiceReady", "InferenceServiceNotReady", "no runtime."),
        ({"multi_model": False}, {}, "IsMMSPredictor", "IsNotMMSPredictor", "remove storageUri"),
        (
            {"missing_claims": frozenset({"c"})},
            {"storageUri": "pvc://c/m"},
            "ModelLoaded",
            "StorageNotFound",
            "PersistentVolumeClaim 'c' in namespace ns",
        ),
        (
            {},
            {"memory": "1.5Gi"},
            "MemoryResourceAvailable",
            "MemoryResourceNotAvailable",
            "needs 1.5Gi; 1Gi of the 1Gi memory limit of InferenceService svc is free, 0 is used by no model.",
        ),
        ({}, {"memory": "-1"}, "MemoryResourceAvailable", "InvalidMemory", "negative"),
        ({}, {"storageUri": "pvc://c/../m"}, "ModelLoaded", "InvalidStorageUri", "leaves its claim"),
    ],
    ids=["no-service", "refused", "single-model", "no-claim", "memory", "negative-memory", "uri"],
)
def test_the_first_failing_check_names_condition_reason_and_what_to_do(
    tm: Build, host: Manifest, model: Manifest, condition: str, reason: str, told: str
) -> None:
    known: dict[str, Any] = {"memory_limit_bytes": Fraction(1024**3), **host}
    admission = admit(_parsed(tm("m", **model)), Host("ns", "svc", **known))
    rejection = admission.rejected["m"]
    assert (rejection.condition, rejection.reason) == (condition, reason)
    assert told in rejection.message
    assert admission.admitted == ()


def test_an_unreadable_model_says_why(tm: Build) -> None:
    rejection = admit(_parsed(tm("m", storageUri="ftp://x/y")), HOST).rejected["m"]
    assert rejection.reason == "InvalidSpec"
    assert "spec.model.storageUri" in rejection.message


def test_a_name_that_is_no_folder_and_no_url_segment_is_rejected(tm: Build) -> None:
    rejection = admit(_parsed(tm("a.b")), HOST).rejected["a.b"]
    assert (rejection.reason, rejection.condition) == ("InvalidName", "ModelLoaded")


def test_a_name_is_taken_once(tm: Build) -> None:
    admission = admit(_parsed(tm("m", storageUri="s3://b/1"), tm("m", storageUri="s3://b/2")), HOST)
    assert [entry.model_spec.storage_uri for entry in admission.admitted] == ["s3://b/1"]
    assert admission.rejected["m"].reason == "DuplicateName"


def test_memory_is_given_first_come_first_served_and_the_message_tells_who_has_it(tm: Build) -> None:
    models = [tm(f"m{index}", memory="250Mi") for index in range(4)]
    admission = admit(_parsed(*models, tm("late", memory="100Mi"), tm("small", memory="1Mi")), HOST)
    assert admission.rejected["late"].message.startswith(
        "The model needs 100Mi; 24Mi of the 1Gi memory limit of InferenceService svc is free, 1000Mi is used by "
        "m0 250Mi, m1 250Mi, m2 250Mi and 1 more."
    )
    assert [entry.model_name for entry in admission.admitted][-1] == "small"


def test_room_is_found_again_when_another_model_goes(tm: Build) -> None:
    big, late = tm("big", memory="1Gi"), tm("late", memory="1Gi")
    assert "late" in admit(_parsed(big, late), HOST).rejected
    assert admit(_parsed(late), HOST).rejected == {}


def test_without_a_limit_everything_fits(tm: Build) -> None:
    assert admit(_parsed(tm("m", memory="99Ti")), Host("ns", "svc")).rejected == {}


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [("storage_uri", "ftp://b/m", "InvalidStorageUri"), ("memory", "much", "InvalidMemory")],
)
def test_values_are_checked_even_if_the_type_lets_them_pass(tm: Build, field: str, value: str, reason: str) -> None:
    good = _parsed(tm("m"))[0].value
    assert good is not None
    model = good.spec.model.model_copy(update={field: value})
    changed = good.model_copy(update={"spec": good.spec.model_copy(update={"model": model})})
    assert admit((Parsed(Meta("m", "ns"), changed),), HOST).rejected["m"].reason == reason


def test_a_list_that_no_config_map_can_hold_is_cut(tm: Build) -> None:
    uri = "s3://bucket/" + "x" * 2000
    models = [tm(f"m{index:03}", storageUri=uri, memory="1") for index in range(600)]
    admission = admit(_parsed(*models), Host("ns", "svc"))
    written = len(dumps(admission.admitted).encode())
    assert MAX_LIST_BYTES - 3000 < written < 1024 * 1024
    assert {rejection.reason for rejection in admission.rejected.values()} == {"TooManyModels"}


@given(st.lists(st.integers(1, 900), max_size=12), st.integers(1, 1500))
def test_the_admitted_never_need_more_than_the_limit_and_nobody_is_lost(sizes: list[int], limit: int) -> None:
    bodies = [
        {
            "metadata": {"name": f"m{index}", "namespace": "ns"},
            "spec": {
                "inferenceService": "svc",
                "model": {"storageUri": "s3://b/m", "framework": "x", "memory": f"{size}Mi"},
            },
        }
        for index, size in enumerate(sizes)
    ]
    admission = admit(_parsed(*bodies), Host("ns", "svc", memory_limit_bytes=Fraction(limit * 1024**2)))
    used = sum((parse_quantity(entry.model_spec.memory) for entry in admission.admitted), Fraction())
    assert used <= limit * 1024**2
    assert {entry.model_name for entry in admission.admitted} | set(admission.rejected) == {
        f"m{index}" for index in range(len(sizes))
    }
