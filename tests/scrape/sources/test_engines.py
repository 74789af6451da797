"""What all engines have in common, each with its own replica in a real browser."""

import pytest

from tests.scrape.replicas.bing import Bing
from tests.scrape.replicas.duckduckgo import DuckDuckGo
from tests.scrape.replicas.google import Google
from tests.scrape.replicas.yahoo import Yahoo
from tests.scrape.sources.engines import ENGINES, compare, searching

pytestmark = pytest.mark.browser


def slow(*case):
    return pytest.param(*case, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def searches(tmp_path_factory):
    google = Google(total=100, batch=40, button_after=60, scripted=0.95, silent=0.0)
    sites = (google, Bing(total=100, button_after=1), Yahoo(total=100), DuckDuckGo(total=120))
    with searching(tmp_path_factory.mktemp("engines"), *sites, pace=0.05) as searches:
        yield searches


@pytest.mark.parametrize("name", ENGINES)
def test_every_original_with_its_place_its_page_and_its_query(searches, name):
    compare(searches.all(name), searches.results(name), share=1)


@pytest.mark.parametrize(
    ("name", "modes"),
    [
        ("yahoo", ("consent_redirect",)),
        slow("google", ("consent_overlay",)),
        *(slow(name, (mode,)) for name in ENGINES for mode in ("renamed", "endless")),
        *(slow(name, ("rerender", "loses_scroll")) for name in ENGINES),
        slow("google", ("consent_redirect",)),
        slow("google", ("last_years_layout",)),
        slow("bing", ("consent_overlay",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value),
)
def test_nothing_is_lost_to(searches, name, modes):
    with searches.switched(name, *modes):
        compare(searches.all(name), searches.results(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["google", "bing", "yahoo"])
def test_broken_json_is_made_up_for_by_another_route(searches, name):
    with searches.switched(name, "broken_json", share=0.1):
        compare(searches.all(name), searches.results(name))


@pytest.mark.parametrize(
    ("name", "mode", "failure"),
    [
        ("google", "captcha", "captcha"),
        ("bing", "empty", "no_results"),
        *(slow(name, "captcha", "captcha") for name in ENGINES if name != "google"),
        *(slow(name, "empty", "no_results") for name in ENGINES if name != "bing"),
        *(slow(name, "sorry429", "captcha") for name in ENGINES),
        *(slow(name, mode, "blocked") for name in ENGINES for mode in ("block_200", "js_shell")),
        ("bing", "down", "unreachable"),
    ],
)
def test_what_answers_in_an_engines_place_is_named(searches, name, mode, failure):
    with searches.switched(name, mode):
        found, error = searches.failing(name)
    challenges = {"duckduckgo": "captcha", "google": "captcha"}  # what these two answer to whom they refuse
    assert error.failure == (challenges.get(name, failure) if mode == "block_200" else failure)
    assert found == []
    assert (searches.folder / "page.png").stat().st_size > 0
    assert error.evidence == str(searches.folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bing", "duckduckgo", "yahoo"])
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
