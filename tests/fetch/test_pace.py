from hypothesis import given
from hypothesis import strategies as st

from pixmill.fetch.pace import Pace


def test_without_a_gap_requests_start_as_they_come():
    pace = Pace()
    pace.start(1.0)
    assert pace.is_free(1.0)
    assert pace.wait(1.0) <= 0.0


def test_requests_keep_their_distance():
    pace = Pace(gap=2.0)
    assert not pace.is_free(10.0)
    assert pace.wait(10.0) <= 0.0
    pace.start(10.0)
    assert pace.wait(10.5) == 1.5


def test_the_wider_gap_holds():
    pace = Pace(gap=2.0)
    pace.widen(5.0)
    pace.widen(1.0)
    pace.start(10.0)
    assert pace.wait(10.0) == 5.0


def test_a_pause_that_the_host_asks_for():
    pace = Pace()
    pace.hold(until=7.0)
    pace.hold(until=3.0)
    assert pace.wait(5.0) == 2.0
    assert not pace.is_free(5.0)
    assert pace.is_free(7.0)


@given(st.floats(0.01, 60), st.floats(0, 1))
def test_jitter_lengthens_and_never_shortens(gap, jitter):
    pace = Pace(gap, jitter)
    pace.start(0.0)
    assert gap <= pace.wait(0.0) <= gap * (1 + jitter)
