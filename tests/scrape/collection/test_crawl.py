"""Searches and fetches, retries, failures and batches."""

import threading
import time
from concurrent.futures import Future

import pytest

from pixmill.core.errors import BrowserError, BrowserLostError
from pixmill.scrape.candidate import Candidate, Quota, StoredImage
from pixmill.scrape.collection import crawl as module
from pixmill.scrape.collection.crawl import Dispatcher
from pixmill.scrape.sources import SearchError


def test_every_candidate_is_collected(invented, crawl, hats):
    found = crawl(invented({"hat": hats}))
    assert found.urls == hats
    assert len({sighting.image.id for sighting in found.sightings}) == 10
    assert found.failed == []


def test_the_next_run_retries_transient_failures_only(invented, crawl, hats, web):
    web.answers |= {"/0": (b"", {}, 500), "/1": (b"", {}, 404)}
    assert crawl(invented({"hat": hats[:3]})).reasons == ["http_500", "http_404", ""]
    web.fetched()
    web.show(web.answers["/5"], web.answers["/6"])
    assert crawl(invented({})).reasons == ["", "http_404", ""]
    assert web.fetched() == [hats[0]]


def test_fetches_lost_and_damaged_images_again(invented, crawl, hats, web, tmp_path):
    first = crawl(invented({"hat": hats}))
    web.fetched()
    (tmp_path / "journal" / "pictures" / first.sightings[4].image.name).unlink()
    (tmp_path / "journal" / "pictures" / first.sightings[7].image.name).write_bytes(b"damaged")
    assert crawl(invented({})) == first
    assert web.fetched() == [hats[4], hats[7]]


def test_per_class_counts_distinct_images(invented, crawl, hats, web):
    """One of six candidates is gone and two are the same image, so four are left."""
    web.answers |= {"/1": None, "/3": web.answers["/2"]}
    found = crawl(invented({"hat": hats}), per_class=4, expect_at_least=20)
    assert found.urls == hats[:6]
    assert found.failed == []
    assert web.fetched() == hats[:6]


@pytest.mark.parametrize("limit", ["per_class", "per_query"])
def test_a_higher_limit_fetches_only_new_images(invented, crawl, hats, web, limit):
    crawl(invented({"hat": hats}), **{limit: 4})
    web.fetched()
    again = invented({"hat": hats})
    assert crawl(again, **{limit: 6}).urls == hats[:6]
    assert (again.asked, web.fetched()) == (["hat"], hats[4:6])


def test_per_query(invented, crawl, hats, web):
    found = crawl(invented({"hat": hats}), per_query=3, expect_at_least=20)
    assert found.urls == hats[:3]
    assert found.failed == []
    assert web.fetched() == hats[:3]


def test_skips_searches_of_a_full_class(invented, crawl, hats):
    first = invented({"hat": hats[:4], "cap": hats[4:]}, name="site:first")
    second = invented({"hat": hats}, name="site:second")
    found = crawl(first, second, queries={"hat": ["hat", "cap"]}, per_class=4)
    assert (first.asked, second.asked) == (["hat"], [])
    assert found.urls == hats[:4]


def test_too_few_candidates_fail_and_are_retried(invented, crawl, hats, web):
    found = crawl(invented({"hat": hats[:3]}), expect_at_least=5)
    (failing,) = found.failed
    assert failing.failure == "too_few"
    assert str(failing) == (
        "hat (source 'site:invented'): http://invented.test/?q=hat returned 3 candidates, expected "
        "at least 5 "
        "(scrape.expect_at_least)"
    )
    assert len(found.sightings) == 3
    web.fetched()
    assert crawl(invented({"hat": hats}), expect_at_least=5).failed == []
    assert web.fetched() == hats[3:]


@pytest.mark.parametrize("per_class", [None, 8])
def test_a_stalled_page_keeps_its_results(invented, crawl, hats, web, per_class):
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


def test_respects_robots_txt(invented, crawl, hats, web):
    web.answers["/robots.txt"] = b"User-agent: *\nDisallow: /?q="
    source = invented({"hat": hats})
    found = crawl(source)
    assert found.failure == "robots"
    assert (source.asked, web.fetched()) == ([], [])


def test_a_failed_search_is_announced_and_others_continue(invented, crawl, hats, capsys):
    source = invented({"hat": [SearchError("timeout", "slow")], "cap": hats})
    found = crawl(source, queries={"hat": ["hat", "cap"]})
    assert [failed.search.query.text for failed in found.failed] == ["hat"]
    assert found.urls == hats
    assert capsys.readouterr().err == "Scrape hat (source 'site:invented'): timeout\n"


@pytest.mark.parametrize("failure", ["blocked", "captcha"])
def test_a_blocking_source_gets_no_more_queries_in_this_run(invented, crawl, hats, failure):
    blocking = invented(
        {"hat": [SearchError(failure, "go away")], "cap": hats}, name="site:blocking"
    )
    other = invented({"hat": hats[:1], "cap": hats[1:]}, name="site:other")
    found = crawl(blocking, other, queries={"hat": ["hat", "cap"]}, browsers=1)
    assert blocking.asked == ["hat"]
    assert [failed.failure for failed in found.failed] == [failure, failure]
    assert str(found.failed[1]).startswith(
        "hat (source 'site:blocking' 'cap'): skipped, because the site blocked"
    )
    assert str(found.failed[1]).endswith(": hat (source 'site:blocking')")
    assert found.urls == hats
    blocking.answers["hat"] = hats
    assert crawl(blocking, other, queries={"hat": ["hat", "cap"]}, browsers=1).failed == []
    assert blocking.asked == ["hat", "hat", "cap"]


def test_searches_run_concurrently(invented, crawl, hats):
    meeting = threading.Barrier(2)
    source = invented({"hat": [meeting.wait, hats[0]], "cap": [meeting.wait, hats[1]]})
    assert crawl(source, queries={"hat": ["hat", "cap"]}, browsers=2).urls == hats[:2]


def test_replaces_a_crashed_browser(invented, crawl, hats, web, capsys):
    source = invented({"hat": [*hats[:4], BrowserLostError("the browser crashed")]})
    source.answers["hat"].insert(4, lambda: source.answers.update(hat=hats))
    found = crawl(source)
    assert (found.urls, found.failed) == (hats, [])
    assert source.asked == ["hat", "hat"]
    assert web.fetched() == hats
    message = (
        "Scrape hat (source 'site:invented'): the browser crashed; searching again in another one\n"
    )
    assert capsys.readouterr().err == message


def test_two_browser_crashes_fail_and_keep_results(invented, crawl, hats):
    lost = BrowserLostError("the browser crashed", next="pixmill doctor")
    source = invented({"hat": [*hats[:4], lost], "cap": hats[4:]})
    source.answers["hat"].insert(4, lambda: source.answers.update(hat=[hats[0], lost]))
    found = crawl(source, queries={"hat": ["hat", "cap"]})
    assert source.asked.count("hat") == 2
    assert found.failure == "browser"
    assert (found.failed[0].message, found.failed[0].advice) == (
        "the browser crashed (2 attempts)",
        "pixmill doctor",
    )
    assert found.urls == hats


@pytest.mark.parametrize(
    "error", [BrowserError("there is no browser"), ZeroDivisionError("a defect")]
)
def test_fatal_errors_end_the_run_and_keep_images(invented, crawl, hats, web, error):
    with pytest.raises(type(error), match=str(error)):
        crawl(invented({"hat": [*hats[:5], error]}), per_class=6)
    web.fetched()
    again = invented({"hat": hats})
    crawl(again)
    assert (again.asked, web.fetched()) == (["hat"], hats[5:])


def test_a_missing_browser_is_reported_before_any_request(invented, crawl, hats, monkeypatch):
    first = invented({"hat": hats})
    pages = invented({"hat": hats}, name="site:pages", kind="pages")
    monkeypatch.setenv("PIXMILL_BROWSER", "/nowhere/chromium")
    with pytest.raises(BrowserError, match="/nowhere/chromium"):
        crawl(first, pages, browsers=1)
    assert first.asked == []
    # No browser is needed if the class is full or the journal has all results.
    assert crawl(first, pages, browsers=1, per_class=5).urls == hats[:5]


def test_an_unexpected_error_ends_all_searches(invented, crawl, hats):
    began = threading.Event()
    searching = set()

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


class Fetching:
    """Fake fetching that finishes when waited for; each URL is a distinct image."""

    def __init__(self, ids=(), same=()):
        self.ids = ids
        self.same = same
        self.batches = []
        self.waited = 0
        self.most = 0

    def begin(self, batch):
        self.batches.append([candidate.rank for candidate in batch])
        self.most = max(self.most, len(self.batches) - self.waited)
        return Future()

    def wait(self, _begun):
        for rank in self.batches[self.waited]:
            if rank not in self.same:
                self.quota.add(StoredImage(f"image {rank}", 1, "png"))
        self.waited += 1
        return []


@pytest.fixture
def take(monkeypatch):
    """Pass candidates to a dispatcher until it has enough; return it and the fetching."""
    monkeypatch.setattr(module, "_BATCH_SECONDS", 60.0)

    def take(count, fetching=None, *, per_class=None, per_query=None, keep=True):
        fetching = fetching or Fetching()
        fetching.quota = Quota(per_class, fetching.ids)
        dispatcher = Dispatcher(fetching.begin, fetching.wait, fetching.quota, per_query, keep)
        for rank in range(count):
            if not dispatcher.take(Candidate("hat", None, rank, f"http://x.test/{rank}")):
                break
        dispatcher.finish()
        assert fetching.waited == len(fetching.batches)
        return fetching, dispatcher

    return take


def test_batches_fast_candidates(take):
    fetching, dispatcher = take(600)
    assert [len(batch) for batch in fetching.batches] == [256, 256, 88]
    assert [rank for batch in fetching.batches for rank in batch] == list(range(600))
    assert [candidate.rank for candidate in dispatcher.candidates] == list(range(600))


def test_limits_pending_batches(take, monkeypatch):
    monkeypatch.setattr(module, "_BATCH_SIZE", 2)
    fetching, dispatcher = take(100, keep=False)
    assert fetching.most == module._MAX_PENDING_BATCHES + 1
    assert (dispatcher.candidates, dispatcher.taken) == ([], 100)


def test_fetches_no_more_than_needed(take):
    """Four of five wanted images are missing, so four candidates are fetched first."""
    fetching, dispatcher = take(100, Fetching(ids=["known"], same=[0, 2]), per_class=5)
    assert fetching.batches == [[0, 1, 2, 3], [4, 5]]
    assert dispatcher.quota.is_full


def test_stops_at_per_query(take):
    fetching, dispatcher = take(100, per_query=3)
    assert fetching.batches == [[0, 1, 2]]
    assert dispatcher.is_limited()
    assert not dispatcher.quota.is_full
