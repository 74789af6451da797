"""What all engines have in common, each with its own replica in a real browser."""

import pytest

from tests.scrape.sources.engines import ENGINES, compare

pytestmark = pytest.mark.browser


def slow(*case):
    return pytest.param(*case, marks=pytest.mark.slow)


@pytest.mark.parametrize("name", ENGINES)
def test_every_original_with_its_place_its_page_and_its_query(searches, name):
    compare(searches.all(name), searches.results(name), share=1)


@pytest.mark.parametrize(
    ("name", "modes"),
    [
        ("yahoo", ("consent_redirect",)),
        slow("google", ("consent_redirect", "endless", "renamed", "rerender", "loses_scroll")),
        slow("google", ("consent_overlay", "last_years_layout")),
        slow("bing", ("consent_overlay", "endless", "renamed", "rerender", "loses_scroll")),
        slow("yahoo", ("renamed", "rerender", "loses_scroll")),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value),
)
def test_nothing_is_lost_to(searches, name, modes):
    with searches.switched(name, *modes):
        compare(searches.all(name), searches.results(name))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "found"), [("google", 0.9), ("bing", 0.99), ("yahoo", 0.99)])
def test_broken_json_is_made_up_for_by_another_route(searches, name, found):
    # Of Google's replica every second panel stays silent, so that for some originals there is no other route.
    with searches.switched(name, "broken_json", share=0.1):
        compare(searches.all(name), searches.results(name), share=found)


@pytest.mark.parametrize(
    ("name", "mode", "failure"),
    [
        ("google", "captcha", "captcha"),
        ("bing", "empty", "no_results"),
        ("yahoo", "block_200", "blocked"),
        ("yahoo", "js_shell", "blocked"),
        *(slow(name, "sorry429", "captcha") for name in ENGINES),
        slow("bing", "block_200", "blocked"),
        slow("google", "block_200", "captcha"),
        slow("google", "js_shell", "blocked"),
        slow("google", "empty", "no_results"),
        slow("yahoo", "empty", "no_results"),
        ("bing", "down", "unreachable"),
    ],
)
def test_what_answers_in_an_engines_place_is_named(searches, name, mode, failure):
    with searches.switched(name, mode):
        found, error = searches.failing(name)
    assert error.failure == failure
    assert found == []
    assert (searches.folder / "page.png").stat().st_size > 0
    assert error.evidence == str(searches.folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bing", "yahoo"])
def test_last_years_layout_is_named_with_what_found_nothing(searches, name):
    with searches.switched(name, "last_years_layout"):
        found, error = searches.failing(name)
    assert (found, error.failure) == ([], "layout_changed")
    assert f"{name}.yaml" in error.message
    assert "<html" in (searches.folder / "page.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_consent_that_leads_nowhere_is_named(searches):
    with searches.switched("google", "consent_redirect", stuck=True):
        _, error = searches.failing("google")
    assert error.failure == "consent"
