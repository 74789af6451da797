from hypothesis import given
from hypothesis import strategies as st

from pixmill.fetch.breaker import PATIENCE, Breaker


def fail(breaker, times, start=0.0):
    for second in range(times):
        breaker.failed(began=start + second, now=start + second + 0.5)


def test_a_host_that_fails_again_and_again_is_left_alone():
    breaker = Breaker()
    fail(breaker, PATIENCE - 1)
    assert not breaker.is_open
    fail(breaker, 1, start=100.0)
    assert breaker.is_open


def test_an_answer_makes_good():
    breaker = Breaker()
    fail(breaker, PATIENCE - 1)
    breaker.succeeded()
    fail(breaker, PATIENCE - 1, start=100.0)
    assert not breaker.is_open


def test_requests_that_fail_together_count_once():
    breaker = Breaker()
    for _ in range(64):
        breaker.failed(began=1.0, now=2.0)
    assert breaker.failures == 1


def test_a_host_that_is_left_alone_stays_so():
    breaker = Breaker()
    fail(breaker, PATIENCE)
    breaker.succeeded()
    assert breaker.is_open


@given(st.lists(st.booleans(), max_size=40))
def test_it_opens_after_so_many_failures_in_a_row_and_not_before(successes):
    breaker, in_a_row, opened = Breaker(), 0, False
    for second, succeeded in enumerate(successes):
        if succeeded:
            breaker.succeeded()
        else:
            breaker.failed(began=second, now=second + 0.5)
        in_a_row = 0 if succeeded else in_a_row + 1
        opened = opened or in_a_row >= PATIENCE
        assert breaker.is_open == opened
