"""Each client may have so many URLs fetched a minute."""

import pytest

from pixmill.serve.problems import Problem
from pixmill.serve.web import Rate, Web


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_worth_comes_at_once_and_then_evenly() -> None:
    clock = Clock()
    rate = Rate(6, clock)
    assert [rate.take("a", 1) for _ in range(6)] == [0] * 6
    assert rate.take("a", 1) == 10
    assert rate.take("b", 6) == 0
    clock.now += 10
    assert rate.take("a", 1) == 0
    assert rate.take("a", 2) == 20
    clock.now += 3600
    assert rate.take("a", 6) == 0
    assert rate.take("a", 1) == 10


def test_many_clients_take_bounded_memory_and_forget_nobody_who_asks() -> None:
    rate = Rate(1, Clock())
    for number in range(20_000):
        rate.take(str(number), 1)
        rate.take("busy", 1)
    assert rate.take("busy", 1) == 60
    assert rate.take("0", 1) == 0
    assert len(rate._left) <= 10_001


def test_a_network_of_ipv6_counts_as_one_client() -> None:
    web = Web(1, 1000)
    web.admit("2001:db8:0:1::1", 1)
    web.admit("2001:db8:0:2::1", 1)
    web.admit("192.0.2.1", 1)
    with pytest.raises(Problem) as refused:
        web.admit("2001:db8:0:1:ffff::2", 1)
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "60"})
