from typing import Any

import pytest

from mooring_operator.core.events import status_event
from mooring_operator.core.plan import Ref

SERVICE = Ref("v1beta1", "InferenceService", "ns", "svc")
MODEL = Ref("v1alpha1", "TrainedModel", "ns", "m")
READY: dict[str, Any] = {"conditions": [{"type": "Ready", "status": "True"}]}


def _not_ready(reason: str, message: str = "why") -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": "False", "reason": reason, "message": message}]}


@pytest.mark.parametrize(
    ("ref", "before", "after", "expected"),
    [
        (SERVICE, {}, _not_ready("MinimumReplicasUnavailable"), None),
        (SERVICE, {}, _not_ready("InvalidStorageUri"), ("Warning", "InvalidStorageUri")),
        (SERVICE, {}, READY, ("Normal", "InferenceServiceReady")),
        (SERVICE, READY, READY, None),
        (SERVICE, READY, _not_ready("MinimumReplicasUnavailable"), ("Warning", "InferenceServiceNotReady")),
        (SERVICE, READY, _not_ready("OOMKilled"), ("Warning", "OOMKilled")),
        (SERVICE, _not_ready("OOMKilled", "pod a"), _not_ready("OOMKilled", "pod b"), None),
        (SERVICE, _not_ready("OOMKilled"), _not_ready("CrashLoopBackOff"), ("Warning", "CrashLoopBackOff")),
        (MODEL, {}, _not_ready("InferenceServiceNotFound"), None),
        (MODEL, _not_ready("Pending"), _not_ready("Downloading"), None),
        (MODEL, READY, _not_ready("Downloading"), ("Normal", "TrainedModelNotReady")),
        (MODEL, _not_ready("Downloading"), _not_ready("BucketNotFound"), ("Warning", "BucketNotFound")),
        (MODEL, _not_ready("BucketNotFound"), READY, ("Normal", "TrainedModelReady")),
    ],
)
def test_one_event_for_each_transition_and_none_for_waiting(
    ref: Ref, before: dict[str, Any], after: dict[str, Any], expected: tuple[str, str] | None
) -> None:
    event = status_event(ref, before, after)
    assert ((event.type, event.reason) if event else None) == expected
    if event and event.type == "Warning":
        assert event.message == "why"
