"""When a page is over."""

import time

from pixmill.scrape.sources.stillness import Stillness


def wait_out(still, looks=1000):
    """Look at a page that stands still until it is over; return how often it was nudged."""
    nudges = 0
    for _ in range(looks):
        if still.over:
            break
        still.note(5, 0, fresh=False, clicked=False)
        nudges += still.nudging
        time.sleep(0.005)
    return nudges


def test_four_nudges_in_vain_are_the_end():
    still = Stillness(0.2)
    began = time.monotonic()
    assert wait_out(still) == 4
    assert still.over
    assert time.monotonic() - began >= 0.2


def test_three_growths_by_repetitions_are_the_end():
    still = Stillness(60)
    still.note(5, 0, fresh=True, clicked=False)
    for count in (10, 15, 20):
        assert not still.over
        still.note(count, count, fresh=False, clicked=False)
    assert still.over


def test_what_is_new_begins_the_count_anew():
    still = Stillness(0.05)
    while wait_out(still, looks=1) == 0:
        pass
    still.note(6, 0, fresh=True, clicked=False)
    assert wait_out(still) == 4


def test_a_click_begins_the_count_anew_once_unless_it_brings_something():
    still = Stillness(0.05)
    for _ in range(2):
        wait_out(still, looks=4)
    assert still.asking
    still.note(5, 0, fresh=False, clicked=True)
    assert not still.asking
    assert wait_out(still) == 4
    assert still.over
    again = Stillness(60)
    again.note(5, 0, fresh=False, clicked=True)
    again.note(8, 0, fresh=True, clicked=False)
    assert again.asking
