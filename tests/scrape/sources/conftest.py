"""Replicas of search engines with a browser, shared by all tests of sites."""

import pytest

from tests.scrape.replicas.bing import Bing
from tests.scrape.replicas.google import Google
from tests.scrape.replicas.yahoo import Yahoo
from tests.scrape.sources.engines import searching


@pytest.fixture(scope="session")
def searches(tmp_path_factory):
    sites = (
        Bing(total=60, batch=25, button_after=1, doubled=0.2, broken=0.1),
        Google(total=40, batch=25, button_after=30, scripted=0.9, silent=0.5, inlined=4),
        Yahoo(total=150),
    )
    with searching(tmp_path_factory.mktemp("replicas"), *sites, pace=0.05) as searches:
        yield searches
