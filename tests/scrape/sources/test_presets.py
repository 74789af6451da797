"""The shops that Pixmill knows, by their replicas: names, looks and failings of the sites, none of their code."""

import re

import pytest

from pixmill.scrape.sources.definition import load_site
from pixmill.scrape.sources.failure import SearchError
from pixmill.scrape.sources.site import SiteSource
from tests.browsing import open_confined
from tests.scrape.replicas.amazon import Amazon
from tests.scrape.replicas.flipkart import Flipkart
from tests.scrape.replicas.myntra import Myntra
from tests.scrape.replicas.world import World
from tests.scrape.sources.access import OneBrowser

pytestmark = pytest.mark.browser

SHOPS = ("amazon", "flipkart", "myntra")


def hasty(site):
    """Return a site that is gone through at a pace that only a replica is to be asked for."""
    return site.model_copy(update={"settings": site.settings.model_copy(update={"pause": (0.1, 0.2), "patience": 4.0})})


@pytest.fixture(scope="module")
def world():
    with World(Amazon(total=90), Flipkart(total=90), Myntra(total=90), pace=0.1) as world:
        yield world


@pytest.fixture(scope="module")
def driver(world, tmp_path_factory):
    with open_confined(world.network, tmp_path_factory.mktemp("profile")) as driver:
        driver.set_page_load_timeout(10)
        yield driver


@pytest.fixture
def search(world, driver, tmp_path):
    def search(name, text="saree"):
        driver.delete_all_cookies()
        source = SiteSource(hasty(load_site(name, None)))
        [query] = source.queries("cloth", [text])
        return list(source.search(query, OneBrowser(driver, tmp_path / "evidence")))

    yield search
    for name in SHOPS:
        world.switch(name)


@pytest.fixture
def fails(search):
    def fails(name):
        with pytest.raises(SearchError) as error:
            search(name)
        return error.value

    return fails


def compare(candidates, results):
    """Check that everything was found: each original, with its title, price and page, in the shop's order."""
    assert [candidate.rank for candidate in candidates] == list(range(len(results)))
    assert [candidate.page_url for candidate in candidates] == [result.page_url for result in results]
    assert [candidate.title for candidate in candidates] == [result.title for result in results]
    assert [candidate.image_url for candidate in candidates] == [result.original_url for result in results]
    assert {(candidate.label, candidate.route) for candidate in candidates} == {("cloth", "attribute")}


@pytest.mark.parametrize("name", SHOPS)
def test_every_product_with_its_full_size_image_its_title_and_its_page(world, search, name):
    candidates = search(name)
    results = world.results(name, "saree")
    compare(candidates, results)
    if name != "flipkart":  # whose prices have no lasting mark
        written = {result.key: result.price for result in results if result.price}
        assert [one.price for one, result in zip(candidates, results, strict=True) if result.price] == [
            *written.values()
        ]
    # Where the original is not there after all, the fetcher falls back on what the page showed.
    lifted = [candidate for candidate in candidates if candidate.thumbnail_url not in (None, candidate.image_url)]
    assert len(lifted) > 80


@pytest.mark.slow
def test_the_print_on_a_garment_is_not_lost(search):
    composite = [one for one in search("amazon", "jeans") if "%7C" in one.image_url]
    assert composite
    assert all("_AC_UL960_" in one.image_url and one.thumbnail_url in (None, one.image_url) for one in composite)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["amazon", "myntra"])
def test_other_class_names_change_nothing(world, search, name):
    world.switch(name, "renamed")
    compare(search(name), world.results(name, "saree"))


@pytest.mark.slow
@pytest.mark.parametrize("modes", [["list_layout"], ["consent_overlay"], ["endless"], ["popups", "alerts"]])
def test_amazon_in_its_moods(world, search, modes):
    world.switch("amazon", *modes)
    found = [(one.title, one.page_url) for one in search("amazon")]
    assert found == [(one.title, one.page_url) for one in world.results("amazon", "saree")]


@pytest.mark.parametrize(("kind", "status"), [("captcha", 200), pytest.param("button", 503, marks=pytest.mark.slow)])
def test_amazons_robot_check_is_named_and_not_answered(world, fails, kind, status):
    world.switch("amazon", "robot_check", every=1, kind=kind, status=status)
    error = fails("amazon")
    assert error.failure == "captcha"
    assert "validateCaptcha" in error.message
    assert "openverse and wikimedia" in error.advice
    assert world.log.visits(path="/errors/validateCaptcha") == []


@pytest.mark.slow
def test_a_robot_check_on_a_later_page_leaves_what_was_found(world, driver, tmp_path):
    world.switch("amazon", "robot_check", every=2)
    source = SiteSource(hasty(load_site("amazon", None)))
    found = []
    with pytest.raises(SearchError) as error:
        for candidate in source.search(source.queries("cloth", ["saree"])[0], OneBrowser(driver, tmp_path)):
            found.append(candidate.title)
    world.switch("amazon")
    assert error.value.failure == "captcha"
    assert found == [result.title for result in world.results("amazon", "saree")][: len(found)]
    assert 40 < len(found) < 60


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOPS)
def test_last_years_layout_is_named_with_the_selector_that_found_nothing(world, fails, name, tmp_path):
    world.switch(name, "last_years_layout")
    error = fails(name)
    assert error.failure == "layout_changed"
    assert load_site(name, None).selectors["item"][0] in error.message
    assert f"{name}.yaml" in error.message
    assert f'pixmill scrape --probe {name} "saree"' in error.advice
    assert (tmp_path / "evidence" / "page.png").stat().st_size > 1000
    assert "<html" in (tmp_path / "evidence" / "page.html").read_text()


@pytest.mark.parametrize(
    ("name", "mode", "failure"),
    [
        ("flipkart", "empty", "no_results"),
        *(pytest.param(name, "empty", "no_results", marks=pytest.mark.slow) for name in ("amazon", "myntra")),
        pytest.param("amazon", "forbidden403", "blocked", marks=pytest.mark.slow),
        pytest.param("myntra", "unknown_layout", "layout_changed", marks=pytest.mark.slow),
        pytest.param("flipkart", "never_loads", "timeout", marks=pytest.mark.slow),
    ],
)
def test_what_answers_in_a_shops_place_is_named(world, fails, name, mode, failure):
    world.switch(name, mode)
    error = fails(name)
    assert error.failure == failure
    assert re.match(r"https://www\.(amazon|flipkart|myntra)\.", error.message)
    assert error.evidence
