"""DuckDuckGo's JSON and what is left without it, on its replica in a real browser."""

import pytest

from pixmill.scrape.sources.site import SiteSource
from tests.scrape.replicas.duckduckgo import DuckDuckGo
from tests.scrape.sources.engines import compare, hasty, searching

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def searches(tmp_path_factory):
    with searching(tmp_path_factory.mktemp("duckduckgo"), DuckDuckGo(total=250), pace=0.05) as searches:
        yield searches


def test_answer_after_answer_until_there_is_no_next(searches):
    searches.world.log.clear()
    found = searches.all("duckduckgo")
    compare(found, searches.results("duckduckgo"), share=1)
    assert {one.route for one in found} == {"json"}
    places = [visit.query.partition("&s=")[2].partition("&")[0] for visit in searches.world.log.visits(path="/i.js")]
    assert sorted(places, key=int)[-1] == "200"


def test_a_rate_limit_is_a_block_and_what_was_found_holds(searches):
    with searches.switched("duckduckgo", "ratelimited", after=3):
        found, error = searches.failing("duckduckgo")
    assert error.failure == "blocked"
    assert "/i.js refused (Ratelimit, status 403)" in error.message
    assert [one.image_url for one in found] == [one.original_url for one in searches.results("duckduckgo")][
        : len(found)
    ]
    assert len(found) in (100, 200)  # the page's own script has asked as well


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "words"), [("broken_json", "/i.js returned status 200 without results in JSON"), ("no_vqd", "")]
)
def test_a_page_without_its_token_and_answers_that_are_no_json_are_named(searches, mode, words):
    with searches.switched("duckduckgo", mode):
        found, error = searches.failing("duckduckgo")
    assert (found, error.failure) == ([], "layout_changed")
    assert words in error.message


@pytest.mark.parametrize("modes", [(), ("legacy",)], ids=["today", "legacy"])
def test_without_json_the_page_gives_its_thumbnails_marked_as_such(searches, modes):
    with searches.switched("duckduckgo", *modes):
        found = searches.all("duckduckgo", source=SiteSource(hasty("duckduckgo")))
    results = searches.results("duckduckgo")
    assert {(one.image_url, one.route) for one in found} == {(None, "thumbnail")}
    assert [one.thumbnail_url for one in found] == [one.thumbnail_url for one in results]
    assert [one.title for one in found] == [one.title for one in results]
    if not modes:
        assert [one.page_url for one in found] == [one.page_url for one in results]
