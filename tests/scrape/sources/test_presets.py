"""The shops that Pixmill knows, by their replicas: names, looks and failings of the sites, none of their code."""

import pytest

from pixmill.scrape.sources.definition import load_site
from tests.scrape.replicas.amazon import Amazon
from tests.scrape.replicas.flipkart import Flipkart
from tests.scrape.replicas.myntra import Myntra
from tests.scrape.sources.engines import searching

pytestmark = pytest.mark.browser

SHOPS = ("amazon", "flipkart", "myntra")


@pytest.fixture(scope="module")
def searches(tmp_path_factory):
    sites = (Amazon(total=90), Flipkart(total=90), Myntra(total=90))
    with searching(tmp_path_factory.mktemp("shops"), *sites, pace=0.1) as searches:
        yield searches


def compare(candidates, results):
    """Check that everything was found: each original, with its title, price and page, in the shop's order."""
    assert [candidate.rank for candidate in candidates] == list(range(len(results)))
    assert [candidate.page_url for candidate in candidates] == [result.page_url for result in results]
    assert [candidate.title for candidate in candidates] == [result.title for result in results]
    assert [candidate.image_url for candidate in candidates] == [result.original_url for result in results]
    assert {(candidate.label, candidate.route) for candidate in candidates} == {("hat", "attribute")}


@pytest.mark.parametrize("name", SHOPS)
def test_every_product_with_its_full_size_image_its_title_and_its_page(searches, name):
    candidates, results = searches.all(name), searches.results(name)
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
def test_the_print_on_a_garment_is_not_lost(searches):
    composite = [one for one in searches.all("amazon", "jeans") if "%7C" in one.image_url]
    assert composite
    assert all("_AC_UL960_" in one.image_url and one.thumbnail_url in (None, one.image_url) for one in composite)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["amazon", "myntra"])
def test_other_class_names_change_nothing(searches, name):
    with searches.switched(name, "renamed"):
        compare(searches.all(name), searches.results(name))


@pytest.mark.slow
@pytest.mark.parametrize("modes", [["list_layout"], ["consent_overlay"], ["endless"], ["popups", "alerts"]])
def test_amazon_in_its_moods(searches, modes):
    with searches.switched("amazon", *modes):
        found = [(one.title, one.page_url) for one in searches.all("amazon")]
    assert found == [(one.title, one.page_url) for one in searches.results("amazon")]


@pytest.mark.parametrize(
    ("kind", "status", "every"),
    [("captcha", 200, 1), *(pytest.param("button", 503, every, marks=pytest.mark.slow) for every in (1, 2))],
)
def test_amazons_robot_check_is_named_and_not_answered_and_what_was_found_holds(searches, kind, status, every):
    with searches.switched("amazon", "robot_check", every=every, kind=kind, status=status):
        found, error = searches.failing("amazon")
    assert error.failure == "captcha"
    assert "validateCaptcha" in error.message
    assert "openverse and wikimedia" in error.advice
    assert searches.world.log.visits(path="/errors/validateCaptcha") == []
    assert [one.title for one in found] == [one.title for one in searches.results("amazon")][: len(found)]
    assert len(found) in (range(40, 60) if every == 2 else [0])


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOPS)
def test_last_years_layout_is_named_with_the_selector_that_found_nothing(searches, name):
    with searches.switched(name, "last_years_layout"):
        _, error = searches.failing(name, "saree")
    assert error.failure == "layout_changed"
    assert load_site(name, None).selectors["item"][0] in error.message
    assert f"{name}.yaml" in error.message
    assert f'pixmill scrape --probe {name} "saree"' in error.advice
    assert (searches.folder / "page.png").stat().st_size > 1000
    assert "<html" in (searches.folder / "page.html").read_text()


@pytest.mark.parametrize(
    "name", ["flipkart", *(pytest.param(name, marks=pytest.mark.slow) for name in ("amazon", "myntra"))]
)
def test_that_nothing_was_found_is_named(searches, name):
    with searches.switched(name, "empty"):
        _, error = searches.failing(name)
    assert error.failure == "no_results"
    assert error.message.startswith(f"https://www.{name}.")
    assert error.evidence
