from contextlib import ExitStack

import pytest

from pixmill.errors import BrowserError, ScrapeError
from pixmill.fetch import Limits, Refused
from pixmill.scrape.collector import Collector
from pixmill.scrape.crawl import Crawl
from pixmill.scrape.journal import Journal
from pixmill.scrape.pictures import Picture, Pictures

URLS = [f"http://invented.test/{number}" for number in range(10)]


@pytest.fixture
def contents(picture):
    return {url: picture(number) for number, url in enumerate(URLS)}


@pytest.fixture
def harvest(tmp_path):
    """Ask a source for the class hat, as a run of its own; the journal and the pictures stay for the next."""

    def harvest(source, *, per_class=None, expect_at_least=0):
        limits, pictures = Limits(connections=3), Pictures(tmp_path / "pictures")
        with ExitStack() as opened:
            journal = opened.enter_context(Journal(tmp_path / "journal.jsonl"))
            collector = opened.enter_context(Collector(source, journal, pictures, [], limits))
            crawl = Crawl(source, journal, collector, per_class=per_class, expect_at_least=expect_at_least)
            return crawl.harvest(source.queries(["hat"])[0])

    return harvest


def reasons(harvest):
    return [outcome.reason if isinstance(outcome, Refused) else "" for _, outcome in harvest.sightings]


def test_every_candidate_is_collected(invented, contents, harvest):
    found = harvest(invented({"hat": URLS}, contents))
    assert [candidate.image_url for candidate, _ in found.sightings] == URLS
    assert len({outcome.id for _, outcome in found.sightings}) == 10
    assert found.failure is None


def test_nothing_is_asked_or_fetched_twice(invented, contents, harvest):
    first = harvest(invented({"hat": URLS}, contents))
    again = invented({}, {})
    assert harvest(again) == first
    assert (again.asked, again.fetched) == ([], [])


def test_an_address_that_is_shown_twice_is_fetched_once(invented, contents, harvest):
    source = invented({"hat": [URLS[0], URLS[0]]}, contents)
    assert len(harvest(source).sightings) == 2
    assert source.fetched == [URLS[0]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<!doctype html><p>Not found", "html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "svg"),
        (b"PK\x03\x04...", "archive"),
        (b"%PDF-1.7", "pdf"),
        (b"GIF? No.", "unknown"),
        (Refused("http_410"), "http_410"),
    ],
)
def test_what_is_no_picture_is_refused(invented, harvest, content, reason):
    assert reasons(harvest(invented({"hat": URLS[:1]}, {URLS[0]: content}))) == [reason]


def test_a_truncated_picture_is_for_validate_to_judge(invented, harvest, picture):
    source = invented({"hat": URLS[:1]}, {URLS[0]: picture(1, "JPEG")[:100]})
    ((_, outcome),) = harvest(source).sightings
    assert isinstance(outcome, Picture)


def test_a_card_without_a_picture_is_accounted_for(invented, contents, harvest):
    assert reasons(harvest(invented({"hat": [None, URLS[0]]}, contents))) == ["no_address", ""]


def test_a_passing_failure_is_tried_again_by_the_next_run_and_a_lasting_one_is_not(invented, contents, harvest):
    failing = contents | {URLS[0]: Refused("connection"), URLS[1]: Refused("http_404")}
    assert reasons(harvest(invented({"hat": URLS[:3]}, failing))) == ["connection", "http_404", ""]
    again = invented({}, contents)
    assert reasons(harvest(again)) == ["", "http_404", ""]
    assert again.fetched == [URLS[0]]


def test_a_picture_that_got_lost_is_fetched_again(invented, contents, harvest, tmp_path):
    first = harvest(invented({"hat": URLS}, contents))
    (tmp_path / "pictures" / first.sightings[4][1].name).unlink()
    (tmp_path / "pictures" / first.sightings[7][1].name).write_bytes(b"damaged")
    again = invented({}, contents)
    assert harvest(again) == first
    assert again.fetched == [URLS[4], URLS[7]]


def test_the_first_pictures_that_differ_are_taken(invented, contents, harvest):
    """Four are wanted: one candidate is gone, two are the same picture, and nothing is looked at behind the fourth."""
    contents |= {URLS[1]: Refused("http_404"), URLS[3]: contents[URLS[2]]}
    source = invented({"hat": URLS}, contents)
    found = harvest(source, per_class=4, expect_at_least=20)
    assert [candidate.rank for candidate, _ in found.sightings] == [0, 1, 2, 3, 4, 5]
    assert found.failure is None
    assert sorted(source.fetched) == URLS[:6]


def test_another_limit_asks_again_but_fetches_only_what_is_new(invented, contents, harvest):
    harvest(invented({"hat": URLS}, contents), per_class=4)
    again = invented({"hat": URLS}, contents)
    assert len(harvest(again, per_class=6).sightings) == 6
    assert (again.asked, again.fetched) == (["hat"], URLS[4:6])


def test_fewer_than_expected_is_a_failure_that_the_next_run_asks_again(invented, contents, harvest):
    found = harvest(invented({"hat": URLS[:3]}, contents), expect_at_least=5)
    assert found.failure == (
        "http://invented.test/?q=hat shows 3 candidates, expected at least 5 (scrape.expect_at_least)"
    )
    assert len(found.sightings) == 3
    again = invented({"hat": URLS}, contents)
    assert harvest(again, expect_at_least=5).failure is None
    assert again.fetched == URLS[3:]


def test_a_higher_expectation_holds_for_remembered_answers_too(invented, contents, harvest):
    assert harvest(invented({"hat": URLS}, contents)).failure is None
    again = invented({"hat": URLS}, contents)
    assert "expected at least 50" in harvest(again, expect_at_least=50).failure
    assert (again.asked, again.fetched) == (["hat"], [])


def test_few_are_enough_where_few_are_wanted(invented, contents, harvest):
    assert harvest(invented({"hat": URLS[:3]}, contents), per_class=3, expect_at_least=5).failure is None


@pytest.mark.parametrize("per_class", [None, 8])
def test_a_page_that_breaks_off_leaves_what_it_gave(invented, contents, harvest, per_class):
    found = harvest(invented({"hat": [*URLS[:3], ScrapeError("the page stopped")]}, contents), per_class=per_class)
    assert found.failure == "the page stopped"
    assert reasons(found) == ["", "", ""]


def test_a_page_that_robots_txt_forbids_is_not_visited(invented, contents, harvest):
    source = invented({"hat": URLS}, contents | {"http://invented.test/?q=hat": Refused("robots", "disallowed")})
    found = harvest(source)
    assert found.failure == "http://invented.test/?q=hat must not be visited: robots, disallowed"
    assert source.asked == []


def test_a_browser_that_breaks_down_ends_the_run_and_what_was_fetched_stays(invented, contents, harvest):
    with pytest.raises(BrowserError):
        harvest(invented({"hat": [*URLS[:5], BrowserError("crashed")]}, contents), per_class=5 + 1)
    again = invented({"hat": URLS}, contents)
    harvest(again)
    assert again.asked == ["hat"]
