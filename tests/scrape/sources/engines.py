"""Searches of replicas with one shared proxy and browser."""

import contextlib

import pytest
from pydantic import TypeAdapter

from pixmill.scrape.candidate import Query
from pixmill.scrape.sources.browsing import Page, script
from pixmill.scrape.sources.definition import load_site
from pixmill.scrape.sources.google import GoogleSource
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.source import SearchError
from tests.browsing import open_confined
from tests.scrape.replicas.world import World
from tests.scrape.sources.access import OneBrowser

ENGINES = {"google": GoogleSource, "bing": SiteSource, "yahoo": SiteSource}
TEXT = 'red "hatt" & é'


def hasty(name):
    """Return a bundled site with short pauses."""
    site = load_site(name, None)
    engine = {"pause": (0.02, 0.05), "smooth": False, "patience": 1.5}
    shop = {"pause": (0.1, 0.2), "patience": 4.0}  # lazy images need time
    changes = engine if name in ENGINES else shop
    return site.model_copy(update={"settings": site.settings.model_copy(update=changes)})


class Searches:
    """Search replicas, each time without cookies."""

    def __init__(self, world, driver, folder):
        self.world = world
        self.driver = driver
        self.folder = folder

    def stream(self, name, text=TEXT, *, source=None):
        self.driver.execute(
            "executeCdpCommand", {"cmd": "Network.clearBrowserCookies", "params": {}}
        )
        source = source or ENGINES.get(name, SiteSource)(hasty(name))
        [query] = source.queries("hat", [text])
        return source.search(query, OneBrowser(self.driver, self.folder))

    def all(self, name, text=TEXT, *, source=None):
        return list(self.stream(name, text, source=source))

    def failing(self, name, text=TEXT):
        """Return the candidates before the failure, and the failure."""
        found = []
        with pytest.raises(SearchError) as error:
            found.extend(self.stream(name, text))
        return found, error.value

    def results(self, name, text=TEXT):
        return self.world.results(name, text)

    @contextlib.contextmanager
    def switched(self, name, *modes, **options):
        self.world.switch(name, *modes, **options)
        try:
            yield
        finally:
            self.world.switch(name)

    def tiles(self, name, body):
        """Return the tiles that a site's script finds in some HTML."""
        site = load_site(name, None)
        self.driver.get("about:blank")
        base = f'<base href="{site.url.partition("?")[0]}">'
        self.driver.execute_script("document.documentElement.innerHTML = arguments[0]", base + body)
        query = Query("hat", "hat", site.address("hat"))
        page = Page(self.driver, site, query, OneBrowser(self.driver, self.folder))
        return page.run(
            f"const complete = new Set();\n{script(site.script)}", answer=TypeAdapter(object)
        )


@contextlib.contextmanager
def searching(folder, *sites, **options):
    """Open a web of replicas with a browser; a context manager."""
    with (
        World(*sites, **options) as world,
        open_confined(world.network, folder / "profile") as driver,
    ):
        driver.set_page_load_timeout(10)
        yield Searches(world, driver, folder / "evidence")


def compare(found, results, *, share=0.99):
    """Check that all revealed originals were found in order, with their metadata."""
    revealed = [result for result in results if result.revealed]
    expected = {result.original_url: result for result in revealed}
    originals = [candidate for candidate in found if candidate.image_url is not None]
    addresses = [candidate.image_url for candidate in originals]
    assert len(addresses) >= share * len(revealed)
    assert addresses == [
        result.original_url for result in revealed if result.original_url in set(addresses)
    ]
    for candidate in originals:
        result = expected[candidate.image_url]
        assert (candidate.page_url, candidate.title) == (result.page_url, result.title)
        assert (candidate.width, candidate.height) == (result.width, result.height)
        assert candidate.thumbnail_url
    # Only results without a revealed original have a thumbnail instead.
    assert len(found) - len(originals) <= len(results) - len(addresses)
    assert [candidate.rank for candidate in found] == list(range(len(found)))
    assert {(candidate.label, candidate.query) for candidate in found} <= {("hat", TEXT)}
