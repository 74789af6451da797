"""Quotas of clients."""

import pytest

from pixmill.serve.http.quota import Quota
from pixmill.web.problems import ProblemError


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_counts_per_client_and_period() -> None:
    clock = Clock()
    quota = Quota(6, 60, "Wait.", clock)
    quota.charge("a", 6)
    with pytest.raises(ProblemError) as caught:
        quota.charge("a", 1)
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "60"})
    quota.charge("b", 6)
    clock.now += 60
    quota.charge("a", 6)
