"""Rollouts: whatever happens to single pods, Kubernetes' promises hold and the end is reached."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_operator.local.rollout import PodView, Rollout, deployment_status, plan_rollout, revision_of, suffix_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def pod(name: str, revision: str = "new", *, ready: bool = True, terminating: bool = False) -> PodView:
    return PodView(name, revision, ready, terminating)


@pytest.mark.parametrize(
    ("replicas", "pods", "expected"),
    [
        pytest.param(2, [], Rollout(create=2), id="first pods"),
        pytest.param(1, [pod("a")], Rollout(), id="as wanted"),
        pytest.param(1, [pod("a", "old")], Rollout(create=1), id="the new pod comes before the old goes"),
        pytest.param(1, [pod("a", "old"), pod("b", ready=False)], Rollout(), id="the old waits for the new"),
        pytest.param(1, [pod("a", "old"), pod("b")], Rollout(delete=("a",)), id="the new is ready, the old goes"),
        pytest.param(1, [pod("a", "old", ready=False)], Rollout(create=1, delete=("a",)), id="a broken old goes"),
        pytest.param(0, [pod("a")], Rollout(delete=("a",)), id="down to zero"),
        pytest.param(1, [pod("a"), pod("b", ready=False)], Rollout(delete=("b",)), id="scaled down: not ready first"),
        pytest.param(1, [pod("a", terminating=True)], Rollout(create=1), id="one that goes counts no more"),
    ],
)
def test_next_step(replicas: int, pods: list[PodView], expected: Rollout) -> None:
    assert plan_rollout(replicas, {}, "new", pods) == expected


def test_recreate_waits_until_the_old_pods_are_gone() -> None:
    strategy = {"type": "Recreate"}
    assert plan_rollout(1, strategy, "new", [pod("a", "old")]) == Rollout(delete=("a",))
    assert plan_rollout(1, strategy, "new", [pod("a", "old", terminating=True)]) == Rollout()
    assert plan_rollout(1, strategy, "new", []) == Rollout(create=1)


@given(st.integers(1, 8), st.integers(0, 8), st.randoms(use_true_random=False))
def test_an_update_keeps_enough_ready_and_ends(replicas: int, olds: int, random: object) -> None:
    pods = [pod(f"old{i}", "old") for i in range(olds)]
    floor = min(olds, replicas - replicas // 4)
    names = iter(f"new{i}" for i in range(100))
    for _ in range(100):
        step = plan_rollout(replicas, {}, "new", pods)
        pods = [p for p in pods if p.name not in step.delete]
        pods += [pod(next(names), ready=False) for _ in range(step.create)]
        assert sum(p.ready for p in pods) >= floor
        assert len(pods) <= max(olds, replicas + -(-replicas // 4))
        waiting = [p for p in pods if not p.ready]
        if not waiting and step == Rollout():
            break
        if waiting:  # one more pod becomes ready, in any order
            chosen = random.choice(waiting)  # type: ignore[attr-defined]  # hypothesis' Random
            pods = [pod(p.name, p.revision) if p is chosen else p for p in pods]
    assert sorted((p.revision, p.ready) for p in pods) == [("new", True)] * replicas


def test_equal_templates_have_equal_revisions_in_kubernetes_alphabet() -> None:
    assert revision_of({"a": 1, "b": 2}) == revision_of({"b": 2, "a": 1})
    assert revision_of({"a": 1}) != revision_of({"a": 2})
    assert not set("aeiou013") & set(revision_of({"a": 1}) + suffix_of(12345))


def deployment(**status: object) -> dict[str, object]:
    return {"metadata": {"name": "d", "generation": 3}, "spec": {"progressDeadlineSeconds": 60}, "status": status}


def test_status_says_available_only_with_enough_ready_pods() -> None:
    starting = deployment_status(deployment(), 1, "new", [pod("a", ready=False)], NOW)
    running = deployment_status(deployment(), 1, "new", [pod("a")], NOW)
    reasons = [[(c["status"], c["reason"]) for c in status["conditions"]] for status in (starting, running)]
    assert reasons == [
        [("False", "MinimumReplicasUnavailable"), ("True", "ReplicaSetUpdated")],
        [("True", "MinimumReplicasAvailable"), ("True", "NewReplicaSetAvailable")],
    ]
    assert running["observedGeneration"] == 3


def test_a_rollout_without_progress_fails_after_its_deadline() -> None:
    pods = [pod("a", ready=False)]
    first = deployment_status(deployment(), 1, "new", pods, NOW)
    early = deployment_status(deployment(**first), 1, "new", pods, NOW + timedelta(seconds=59))
    late = deployment_status(deployment(**early), 1, "new", pods, NOW + timedelta(seconds=61))
    assert early["conditions"][1]["reason"] == "ReplicaSetUpdated"
    assert late["conditions"][1]["reason"] == "ProgressDeadlineExceeded"
