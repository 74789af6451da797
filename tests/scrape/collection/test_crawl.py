"""What is asked and fetched, in which case again, and what a search fails of."""

import threading
import time

import pytest

from pixmill.core.errors import BrowserError, BrowserLostError
from pixmill.core.params import ScrapeParams
from pixmill.scrape.collection.searches import plan_searches
from pixmill.scrape.journal import Journal
from pixmill.scrape.sources import SearchError
from tests.scrape.invented import url_of


def test_every_candidate_is_collected(invented, crawl, hats):
    found = crawl(invented({"hat": hats}))
    assert found.urls == hats
    assert len({sighting.image.id for sighting in found.sightings}) == 10
    assert found.failed == []


def test_nothing_is_asked_or_fetched_twice(invented, crawl, hats, web):
    first = crawl(invented({"hat": hats}))
    web.fetched()
    again = invented({})
    assert crawl(again) == first
    assert (again.asked, web.fetched()) == ([], [])


def test_a_passing_failure_is_tried_again_by_the_next_run_and_a_lasting_one_is_not(invented, crawl, hats, web):
    web.answers |= {"/0": (b"", {}, 500), "/1": (b"", {}, 404)}
    assert crawl(invented({"hat": hats[:3]})).reasons == ["http_500", "http_404", ""]
    web.fetched()
    web.show(web.answers["/5"], web.answers["/6"])
    assert crawl(invented({})).reasons == ["", "http_404", ""]
    assert web.fetched() == [hats[0]]


def test_what_fails_for_a_passing_reason_is_tried_once_a_run(invented, crawl, web):
    gone = url_of("gone")
    web.answers["/gone"] = (b"", {}, 500)
    crawl(invented({"hat": [gone], "boot": [gone]}), classes=("hat", "boot"), browsers=1)
    assert web.fetched() == [gone]


def test_an_image_that_got_lost_is_fetched_again(invented, crawl, hats, web, tmp_path):
    first = crawl(invented({"hat": hats}))
    web.fetched()
    (tmp_path / "journal" / "pictures" / first.sightings[4].image.name).unlink()
    (tmp_path / "journal" / "pictures" / first.sightings[7].image.name).write_bytes(b"damaged")
    assert crawl(invented({})) == first
    assert web.fetched() == [hats[4], hats[7]]


def test_the_first_images_that_differ_are_taken(invented, crawl, hats, web):
    """Four are wanted: one candidate is gone, two are the same image, and nothing is looked at behind the fourth."""
    web.answers |= {"/1": None, "/3": web.answers["/2"]}
    found = crawl(invented({"hat": hats}), per_class=4, expect_at_least=20)
    assert found.urls == hats[:6]
    assert found.failed == []
    assert web.fetched() == hats[:6]


@pytest.mark.parametrize("limit", ["per_class", "per_query"])
def test_a_higher_limit_asks_again_but_fetches_only_what_is_new(invented, crawl, hats, web, limit):
    crawl(invented({"hat": hats}), **{limit: 4})
    web.fetched()
    again = invented({"hat": hats})
    assert crawl(again, **{limit: 6}).urls == hats[:6]
    assert (again.asked, web.fetched()) == (["hat"], hats[4:6])


def test_only_so_many_candidates_of_a_query(invented, crawl, hats, web):
    found = crawl(invented({"hat": hats}), per_query=3, expect_at_least=20)
    assert found.urls == hats[:3]
    assert found.failed == []
    assert web.fetched() == hats[:3]


def test_who_asks_for_more_and_is_blocked_keeps_what_there_was(invented, crawl, hats):
    crawl(invented({"hat": hats}), per_query=3)
    found = crawl(invented({"hat": [SearchError("blocked", "go away")]}), per_query=5)
    assert (found.failure, found.urls) == ("blocked", hats[:3])


def test_later_searches_of_a_class_that_has_enough_are_not_begun(invented, crawl, hats):
    first = invented({"hat": hats[:4], "cap": hats[4:]}, name="site:first")
    second = invented({"hat": hats}, name="site:second")
    found = crawl(first, second, queries={"hat": ["hat", "cap"]}, per_class=4)
    assert (first.asked, second.asked) == (["hat"], [])
    assert found.urls == hats[:4]


def test_a_changed_answer_never_leaves_a_class_short(invented, crawl, hats):
    """What an earlier answer held and the present one does not cannot count towards what is wanted."""
    first = invented({"hat": [*hats[5:8], SearchError("stalled", "stopped")]}, name="site:first")
    second = invented({"hat": hats[3:]}, name="site:second")
    crawl(first, per_class=4)
    changed = invented({"hat": hats[:3]}, name="site:first")
    assert crawl(changed, second, per_class=4).urls == hats[:4]


def test_fewer_than_expected_is_a_failure_that_the_next_run_asks_again(invented, crawl, hats, web):
    found = crawl(invented({"hat": hats[:3]}), expect_at_least=5)
    (failing,) = found.failed
    assert failing.failure == "too_few"
    assert str(failing) == (
        "hat (source 'site:invented'): http://invented.test/?q=hat returned 3 candidates, expected at least 5 "
        "(scrape.expect_at_least)"
    )
    assert len(found.sightings) == 3
    web.fetched()
    assert crawl(invented({"hat": hats}), expect_at_least=5).failed == []
    assert web.fetched() == hats[3:]


@pytest.mark.parametrize("per_class", [None, 8])
def test_a_page_that_breaks_off_leaves_what_it_gave(invented, crawl, hats, web, per_class):
    stopped = SearchError("stalled", "the page stopped", evidence=".pixmill/scrape/evidence/1")
    found = crawl(invented({"hat": [*hats[:3], stopped]}), per_class=per_class)
    assert found.failure == "stalled"
    assert str(found.failed[0]).endswith("the page stopped; saved page: .pixmill/scrape/evidence/1")
    assert found.reasons == ["", "", ""]
    web.fetched()
    again = invented({"hat": hats})
    assert crawl(again, per_class=per_class).failed == []
    assert again.asked == ["hat"]
    assert web.fetched() == hats[3:per_class]


def test_a_page_that_robots_txt_forbids_is_not_visited(invented, crawl, hats, web):
    web.answers["/robots.txt"] = b"User-agent: *\nDisallow: /?q="
    source = invented({"hat": hats})
    found = crawl(source)
    assert found.failure == "robots"
    assert (source.asked, web.fetched()) == ([], [])


def test_a_search_that_fails_is_announced_and_stops_no_other(invented, crawl, hats, capsys):
    source = invented({"hat": [SearchError("timeout", "slow")], "cap": hats})
    found = crawl(source, queries={"hat": ["hat", "cap"]})
    assert [failed.search.query.text for failed in found.failed] == ["hat"]
    assert found.urls == hats
    assert capsys.readouterr().err == "Scrape hat (source 'site:invented'): timeout\n"


@pytest.mark.parametrize("failure", ["blocked", "captcha"])
def test_a_source_that_blocks_is_asked_nothing_more_in_this_run(invented, crawl, hats, failure):
    blocking = invented({"hat": [SearchError(failure, "go away")], "cap": hats}, name="site:blocking")
    other = invented({"hat": hats[:1], "cap": hats[1:]}, name="site:other")
    found = crawl(blocking, other, queries={"hat": ["hat", "cap"]}, browsers=1)
    assert blocking.asked == ["hat"]
    assert [failed.failure for failed in found.failed] == [failure, failure]
    assert str(found.failed[1]).startswith("hat (source 'site:blocking' 'cap'): skipped, because the site blocked")
    assert str(found.failed[1]).endswith(": hat (source 'site:blocking')")
    assert found.urls == hats
    blocking.answers["hat"] = hats
    assert crawl(blocking, other, queries={"hat": ["hat", "cap"]}, browsers=1).failed == []
    assert blocking.asked == ["hat", "hat", "cap"]


def test_searches_run_side_by_side(invented, crawl, hats):
    meeting = threading.Barrier(2)
    source = invented({"hat": [meeting.wait, hats[0]], "cap": [meeting.wait, hats[1]]})
    assert crawl(source, queries={"hat": ["hat", "cap"]}, browsers=2).urls == hats[:2]


def test_a_lost_browser_is_replaced_once(invented, crawl, hats, web, capsys):
    source = invented({"hat": [*hats[:4], BrowserLostError("the browser crashed")]})
    source.answers["hat"].insert(4, lambda: source.answers.update(hat=hats))
    found = crawl(source)
    assert (found.urls, found.failed) == (hats, [])
    assert source.asked == ["hat", "hat"]
    assert web.fetched() == hats
    said = "Scrape hat (source 'site:invented'): the browser crashed; searching again in another one\n"
    assert capsys.readouterr().err == said


def test_a_browser_that_is_lost_twice_is_a_failure_and_what_it_gave_stays(invented, crawl, hats):
    lost = BrowserLostError("the browser crashed", next="pixmill doctor")
    source = invented({"hat": [*hats[:4], lost], "cap": hats[4:]})
    source.answers["hat"].insert(4, lambda: source.answers.update(hat=[hats[0], lost]))
    found = crawl(source, queries={"hat": ["hat", "cap"]})
    assert source.asked.count("hat") == 2
    assert found.failure == "browser"
    assert (found.failed[0].message, found.failed[0].advice) == ("the browser crashed (2 attempts)", "pixmill doctor")
    assert found.urls == hats


@pytest.mark.parametrize("error", [BrowserError("there is no browser"), ZeroDivisionError("a defect")])
def test_what_no_other_source_can_mend_ends_the_run_and_what_was_fetched_stays(invented, crawl, hats, web, error):
    with pytest.raises(type(error), match=str(error)):
        crawl(invented({"hat": [*hats[:5], error]}), per_class=6)
    web.fetched()
    again = invented({"hat": hats})
    crawl(again)
    assert (again.asked, web.fetched()) == (["hat"], hats[5:])


def test_that_there_is_no_browser_is_told_before_anybody_is_asked(invented, crawl, hats, monkeypatch):
    first, pages = invented({"hat": hats}), invented({"hat": hats}, name="site:pages", kind="pages")
    monkeypatch.setenv("PIXMILL_BROWSER", "/nowhere/chromium")
    with pytest.raises(BrowserError, match="/nowhere/chromium"):
        crawl(first, pages, browsers=1)
    assert first.asked == []
    # It is not asked for where the class has enough, and where the journal has it all.
    assert crawl(first, pages, browsers=1, per_class=5).urls == hats[:5]
    monkeypatch.setenv("PIXMILL_WEBDRIVER_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("PIXMILL_BROWSER", "chrome")
    found = crawl(first, pages)
    monkeypatch.delenv("PIXMILL_WEBDRIVER_URL")
    monkeypatch.setenv("PIXMILL_BROWSER", "/nowhere/chromium")
    assert crawl(first, pages) == found


def test_a_defect_in_one_search_ends_the_others(invented, crawl, hats):
    began, searching = threading.Event(), set()

    def dawdle():
        searching.add(threading.current_thread())
        began.set()
        time.sleep(0.05)

    endless = invented({"hat": [dawdle, *hats] * 10_000}, name="site:endless")
    broken = invented({"hat": [lambda: began.wait(60), ZeroDivisionError()]}, name="site:broken")
    with pytest.raises(ZeroDivisionError):
        crawl(endless, broken, browsers=2)
    assert searching
    assert not [thread for thread in searching if thread.is_alive()]


def test_addresses_from_a_list_are_not_kept_twice(invented, crawl, hats, web, tmp_path):
    source = invented({"hat": hats}, kind="list")
    assert crawl(source).urls == hats
    with Journal(tmp_path / "journal", ScrapeParams(snapshot="2026-11-20")) as journal:
        (search,) = plan_searches(
            ["hat"], ScrapeParams(source=source.name, snapshot="2026-11-20"), {source.name: source}
        )
        assert journal.answers(search.name) is None
    web.fetched()
    assert crawl(source, expect_at_least=50).failed == []  # nobody's page has changed
    assert web.fetched() == []
