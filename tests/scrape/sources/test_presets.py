"""Amazon, by its replica: names, looks and failings of the site, none of its code."""

import pytest

from pixmill.scrape.sources.definition import load_site

pytestmark = pytest.mark.browser


def compare(candidates, results):
    """Check that everything was found: each original, with its title, price and page, in the shop's order."""
    assert [candidate.rank for candidate in candidates] == list(range(len(results)))
    assert [candidate.page_url for candidate in candidates] == [result.page_url for result in results]
    assert [candidate.title for candidate in candidates] == [result.title for result in results]
    assert [candidate.image_url for candidate in candidates] == [result.original_url for result in results]
    assert {(candidate.label, candidate.route) for candidate in candidates} == {("hat", "attribute")}


def test_every_product_with_its_full_size_image_its_title_and_its_page(searches):
    candidates, results = searches.all("amazon"), searches.results("amazon")
    compare(candidates, results)
    written = [(one.price, result.price) for one, result in zip(candidates, results, strict=True) if result.price]
    assert all(price == expected for price, expected in written)
    # Where the original is not there after all, the fetcher falls back on what the page showed.
    lifted = [candidate for candidate in candidates if candidate.thumbnail_url not in (None, candidate.image_url)]
    assert len(lifted) > 80


@pytest.mark.slow
def test_the_print_on_a_garment_is_not_lost(searches):
    composite = [one for one in searches.all("amazon", "jeans") if "%7C" in one.image_url]
    assert composite
    assert all("_AC_UL960_" in one.image_url and one.thumbnail_url in (None, one.image_url) for one in composite)


@pytest.mark.slow
def test_other_class_names_change_nothing(searches):
    with searches.switched("amazon", "renamed"):
        compare(searches.all("amazon"), searches.results("amazon"))


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
def test_last_years_layout_is_named_with_the_selector_that_found_nothing(searches):
    with searches.switched("amazon", "last_years_layout"):
        _, error = searches.failing("amazon", "saree")
    assert error.failure == "layout_changed"
    assert load_site("amazon", None).selectors["item"][0] in error.message
    assert 'pixmill scrape --probe amazon "saree"' in error.advice
    assert "<html" in (searches.folder / "page.html").read_text()


def test_that_nothing_was_found_is_named(searches):
    with searches.switched("amazon", "empty"):
        _, error = searches.failing("amazon")
    assert error.failure == "no_results"
    assert error.evidence
