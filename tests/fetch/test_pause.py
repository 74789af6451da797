import email.utils
import time

import pytest

from pixmill.fetch.pause import LONGEST, backoff, pause, retry_after


def test_pauses_double():
    assert [pause(failures, None) for failures in (1, 2, 3)] == [0.5, 1.0, 2.0]


def test_a_pause_has_a_longest():
    assert [backoff(failures) for failures in (1, 2, 7, 1000)] == [0.5, 1.0, LONGEST, LONGEST]


def test_a_server_is_given_the_pause_that_it_asks_for():
    assert pause(1, 3.0) == 3.0


def test_a_server_that_asks_for_too_long_a_pause_is_left_alone():
    assert pause(1, LONGEST + 1) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("soon", None),
        ("9" * 400, float("inf")),
        ("-1", None),
        ("², ", None),
    ],
)
def test_seconds(header, seconds):
    assert retry_after(header) == seconds


def test_a_date():
    assert retry_after(email.utils.formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
    assert retry_after(email.utils.formatdate(time.time() - 60, usegmt=True)) == 0.0
