import pytest

from pixmill.fetch import Refused
from pixmill.params import ScrapeParams
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.harvest import Harvest
from pixmill.scrape.journal import Answers, Journal
from pixmill.scrape.ledger import Ledger, address_of
from pixmill.scrape.pictures import Picture, Pictures
from pixmill.scrape.plan import plan
from pixmill.scrape.sources import SearchFailed
from pixmill.scrape.sources.folder import FolderSource


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as journal:
        yield journal


@pytest.fixture
def places(tmp_path):
    """Where the fetched pictures lie, where all shall lie, and where those of an earlier snapshot lie."""
    return [Pictures(tmp_path / name) for name in ("fetched", "output", "earlier")]


@pytest.fixture
def harvest(journal, places):
    """Go through what some sources were answered before."""

    def harvest(*sources, classes=("hat", "boot"), licences=None, **bounds):
        names = {source.name: source for source in sources}
        params = ScrapeParams(source=tuple(names), snapshot="2026-11-20")
        ledger = Ledger(journal, places, licences=licences, thumbnails=True)
        bounds = {"per_class": None, "per_query": None, "max_bytes": 10_000} | bounds
        return Harvest(plan(classes, params, names), journal, ledger, places[1], **bounds)

    return harvest


@pytest.fixture
def answered(journal, places, invented, picture):
    """A source that was asked for hats and boots, ten each, and answers no more; the first boot is the last hat."""
    source = invented({})
    for label, first in (("hat", 0), ("boot", 9)):
        (query,) = source.queries(label, [label])
        (search,) = plan([label], ScrapeParams(source=source.name, snapshot="2026-11-20"), {source.name: source})
        urls = [f"http://x.test/{first + rank}" for rank in range(10)]
        found = [Candidate(label, query.text, rank, url) for rank, url in enumerate(urls)]
        journal.keep_answers(search.name, label, query.text, Answers(found, None, complete=True))
        for rank, url in enumerate(urls):
            content = picture(first + rank)
            places[0].add(Picture.of(content), content)
            journal.keep_outcome(address_of("", url), Picture.of(content))
    return source


def labels(harvest):
    return [sighting.candidate.label for _, sighting in harvest]


def test_everything_in_the_order_of_the_searches(harvest, answered, places):
    found = list(harvest(answered))
    assert [search.query.label for search, _ in found] == ["hat"] * 10 + ["boot"] * 10
    assert [sighting.candidate.rank for _, sighting in found] == [*range(10), *range(10)]
    assert all(places[1].path(sighting.picture).is_file() for _, sighting in found)
    assert answered.asked == []


def test_nothing_is_begun_before_it_is_looked_at(harvest, answered, places):
    found = iter(harvest(answered))
    next(found)
    assert len([path for path in places[1].folder.rglob("*") if path.is_file()]) == 1


def test_so_many_of_a_class(harvest, answered):
    assert labels(harvest(answered, per_class=4)) == ["hat"] * 4 + ["boot"] * 4


def test_so_many_of_a_query(harvest, answered):
    assert labels(harvest(answered, per_query=3)) == ["hat"] * 3 + ["boot"] * 3


def test_what_was_never_asked_has_nothing(harvest, invented):
    assert list(harvest(invented({}))) == []


def test_a_picture_that_lies_in_another_place_only_is_taken_from_there(harvest, answered, places, picture):
    lost = Picture.of(picture(3))
    places[2].copy(lost, places[0])
    places[0].path(lost).unlink()
    places[0]._whole.clear()
    assert len(list(harvest(answered))) == 20
    assert places[1].path(lost).read_bytes() == picture(3)


def test_files_of_this_machine_are_read_here(harvest, data, places):
    (data / "hat" / "999.txt").write_text("no picture")
    (data / "hat" / "large.png").write_bytes(bytes(10_001))
    found = [sighting for _, sighting in harvest(FolderSource(data))]
    assert len(found) == 62
    assert found[30].picture.format is None
    assert places[1].path(found[30].picture).read_text() == "no picture"
    assert found[31].refused.reason == "too_large"


def test_files_whose_licence_nobody_knows_are_left_where_some_are_wanted(harvest, data, places):
    found = [sighting for _, sighting in harvest(FolderSource(data), licences=("cc0",))]
    assert {sighting.refused for sighting in found} == {Refused("licence", "its source tells none")}
    assert not places[1].folder.exists()


def test_a_list_is_read_again(harvest, answered, invented, journal):
    listed = invented({"hat": [f"http://x.test/{rank}" for rank in (3, 1)]}, kind="list")
    assert [sighting.candidate.image_url for _, sighting in harvest(listed)] == ["http://x.test/3", "http://x.test/1"]


def test_a_search_that_fails_is_named_and_the_others_go_on(harvest, data, invented):
    (data / "scarf").mkdir()
    found = harvest(FolderSource(data), classes=("scarf", "hat", "boot"))
    assert len(list(found)) == 60
    (failing,) = found.failing
    assert (failing.failure, failing.message) == ("no_results", "data/scarf is empty")


def test_a_list_that_breaks_off(harvest, invented, answered):
    listed = invented({"hat": ["http://x.test/3", SearchFailed("no_results", "the end")]}, kind="list")
    found = harvest(listed)
    assert len(list(found)) == 1
    assert [str(failing) for failing in found.failing] == ["hat (source 'site:invented'): the end"]
