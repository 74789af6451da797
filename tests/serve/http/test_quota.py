"""Quotas of clients."""

import time

import pytest

from pixmill.local.problems import ProblemError
from pixmill.serve.http.quota import Quota


def test_counts_per_client_and_period() -> None:
    quota = Quota(6, 0.5, "Wait.")
    quota.charge("192.0.2.1", 6)
    quota.charge("2001:db8:0:1::1", 6)
    for same in ("::ffff:192.0.2.1", "2001:db8:0:1:ffff::2"):
        with pytest.raises(ProblemError) as caught:
            quota.charge(same, 1)
        assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "1"})
    quota.charge("192.0.2.2", 6)
    quota.charge("2001:db8:0:2::1", 6)
    quota.charge("testclient", 6)
    time.sleep(0.5)
    quota.charge("192.0.2.1", 6)
