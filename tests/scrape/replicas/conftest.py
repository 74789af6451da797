"""A world of the five sites that these tests look at, a browser in it, and how to ask it by hand."""

import functools

import pytest

from tests.scrape.replicas.amazon import Amazon
from tests.scrape.replicas.client import get
from tests.scrape.replicas.duckduckgo import DuckDuckGo
from tests.scrape.replicas.flipkart import Flipkart
from tests.scrape.replicas.myntra import Myntra
from tests.scrape.replicas.viewer import viewing
from tests.scrape.replicas.world import World
from tests.scrape.replicas.yahoo import Yahoo

_SITES = (Amazon, DuckDuckGo, Flipkart, Myntra, Yahoo)


@pytest.fixture(scope="session")
def open_world():
    with World(*(site() for site in _SITES)) as world:
        yield world


@pytest.fixture
def sites(open_world):
    """The world, with all modes off and nobody on record."""
    open_world.log.clear()
    yield open_world
    for site in _SITES:
        open_world.switch(site.name)


@pytest.fixture
def ask(sites):
    return functools.partial(get, sites)


@pytest.fixture(scope="session")
def browser(open_world, tmp_path_factory):
    with viewing(open_world, tmp_path_factory.mktemp("profile")) as viewer:
        yield viewer


@pytest.fixture
def viewer(sites, browser):
    """Somebody with a browser, who has been nowhere yet."""
    browser.driver.execute("executeCdpCommand", {"cmd": "Network.clearBrowserCookies", "params": {}})
    return browser
