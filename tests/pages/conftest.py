"""A real browser to look at pages with."""

import pytest

from tests.browsing import open_chrome


@pytest.fixture(scope="module")
def browser():
    with open_chrome() as driver:
        yield driver
