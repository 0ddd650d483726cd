from mooring_runtime.sdk.loops import TURN_S, Turns


def test_all_begin_where_calls_are_short_and_one_a_turn_where_they_are_long() -> None:
    now_s = [0.0]
    turns = Turns(lambda: now_s[0])
    assert turns.most(4) == 4
    now_s[0] += 4 * TURN_S / 10
    assert turns.most(32) == 10
    now_s[0] += 10 * TURN_S * 3
    assert turns.most(32) == 1
    now_s[0] += TURN_S / 100
    assert turns.most(32) == 32


def test_a_turn_that_began_less_than_it_might_says_nothing_of_what_a_call_costs() -> None:
    now_s = [0.0]
    turns = Turns(lambda: now_s[0])
    assert turns.most(0) == 1
    turns.stop()
    now_s[0] += 3600
    assert turns.most(5) == 5
