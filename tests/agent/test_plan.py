from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_agent.plan import Backoff, Observed, Step, next_step, plan

VERSIONS = st.sampled_from(["A", "B", "C"])
MAYBE = st.none() | VERSIONS
STATES = st.builds(
    Observed,
    in_place=MAYBE,
    staged=MAYBE,
    previous=MAYBE,
    loaded=MAYBE,
    refused=MAYBE,
    is_recovered=st.booleans(),
    may_be_loaded=st.booleans(),
)


@pytest.mark.parametrize(
    ("wanted", "seen", "step"),
    [
        pytest.param("A", Observed(), Step.FETCH, id="new"),
        pytest.param("A", Observed(staged="A"), Step.SWAP, id="fetched"),
        pytest.param("A", Observed(in_place="A"), Step.LOAD, id="in place"),
        pytest.param("A", Observed(in_place="A", loaded="A"), Step.KEEP, id="loaded"),
        pytest.param("A", Observed(in_place="A", is_recovered=True), Step.CHECK, id="agent restarted"),
        pytest.param("B", Observed(in_place="A", is_recovered=True), Step.CHECK, id="agent restarted, then changed"),
        pytest.param("B", Observed(in_place="A", loaded="A"), Step.FETCH, id="changed: the old one stays loaded"),
        pytest.param("B", Observed(in_place="A", loaded="A", staged="B"), Step.SWAP, id="changed and fetched"),
        pytest.param("B", Observed(in_place="B", loaded="A", previous="A"), Step.LOAD, id="swapped, old one loaded"),
        pytest.param("B", Observed(in_place="B", loaded="B", previous="A"), Step.COMMIT, id="new one loaded"),
        pytest.param("A", Observed(in_place="B", loaded="A", previous="A"), Step.RESTORE, id="rolled back in time"),
        pytest.param(
            "A", Observed(in_place="A", loaded="A", staged="B"), Step.COMMIT, id="rolled back before the swap"
        ),
        pytest.param("B", Observed(in_place="A"), Step.LOAD, id="server restarted while the new one is not there"),
        pytest.param("B", Observed(in_place="A", refused="A"), Step.FETCH, id="old one is broken: fetch the new one"),
        pytest.param(None, Observed(in_place="A", loaded="A"), Step.UNLOAD, id="removed: unload first"),
        pytest.param(None, Observed(in_place="A", may_be_loaded=True), Step.UNLOAD, id="removed during its load"),
        pytest.param(
            None, Observed(in_place="A", is_recovered=True), Step.UNLOAD, id="removed while the agent was down"
        ),
        pytest.param(None, Observed(in_place="A"), Step.DELETE, id="unloaded: delete"),
        pytest.param(None, Observed(staged="A"), Step.DELETE, id="removed before it was loaded"),
        pytest.param(None, Observed(), Step.FORGET, id="gone"),
    ],
)
def test_the_next_step_follows_from_goal_and_observation(wanted: str | None, seen: Observed, step: Step) -> None:
    assert next_step(wanted, seen) is step


def test_a_plan_covers_what_is_wanted_and_what_is_there() -> None:
    observed = {"stays": Observed(in_place="A", loaded="A"), "goes": Observed(in_place="A", loaded="A")}
    assert plan({"stays": "A", "comes": "B"}, observed) == {
        "comes": Step.FETCH,
        "goes": Step.UNLOAD,
        "stays": Step.KEEP,
    }


def succeed(step: Step, wanted: str | None, seen: Observed) -> Observed:
    """What is true after `step` succeeded: the model of the executor that the property tests run against."""
    match step:
        case Step.FETCH:
            return replace(seen, staged=wanted, refused=None)
        case Step.SWAP:
            return replace(seen, in_place=seen.staged, staged=None, previous=seen.in_place)
        case Step.RESTORE:
            return replace(seen, in_place=seen.previous, staged=seen.in_place, previous=None)
        case Step.CHECK:
            return replace(seen, is_recovered=False)
        case Step.LOAD:
            return replace(seen, loaded=seen.in_place, may_be_loaded=True)
        case Step.COMMIT:
            return replace(seen, staged=None, previous=None)
        case Step.UNLOAD:
            return replace(seen, loaded=None, may_be_loaded=False, is_recovered=False)
        case _:
            return Observed()


@given(wanted=MAYBE, seen=STATES)
def test_every_state_converges_and_stays(wanted: str | None, seen: Observed) -> None:
    for _ in range(10):
        step = next_step(wanted, seen)
        if step in (Step.KEEP, Step.FORGET):
            break
        seen = succeed(step, wanted, seen)
    assert (seen.in_place, seen.loaded, seen.staged, seen.previous) == (wanted, wanted, None, None)
    assert next_step(wanted, seen) is (Step.FORGET if wanted is None else Step.KEEP)


@given(wanted=MAYBE, seen=STATES)
def test_nothing_is_deleted_while_the_server_may_have_it(wanted: str | None, seen: Observed) -> None:
    step = next_step(wanted, seen)
    if step is Step.DELETE:
        assert wanted is None
        assert seen.loaded is None
        assert not seen.may_be_loaded
    if step is Step.COMMIT:
        assert seen.loaded == seen.in_place == wanted


@given(attempt=st.integers(1, 10_000), permanent=st.booleans(), jitter=st.floats(0, 1, exclude_max=True))
def test_back_off_is_capped_and_never_zero(attempt: int, permanent: bool, jitter: float) -> None:
    delay_s = Backoff(1.0, 60.0).delay_s(attempt, is_permanent=permanent, jitter=jitter)
    assert 0.8 <= delay_s <= 72.0


def test_back_off_doubles_and_is_slower_where_only_a_person_can_mend_it() -> None:
    backoff = Backoff(1.0, 60.0)
    assert [backoff.delay_s(n, is_permanent=False, jitter=0.5) for n in (1, 2, 3, 9)] == [1, 2, 4, 60]
    assert [backoff.delay_s(n, is_permanent=True, jitter=0.5) for n in (1, 2, 5)] == [5, 10, 60]
