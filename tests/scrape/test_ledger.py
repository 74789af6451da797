"""What is said of a candidate follows from the journal and the files alone."""

import pytest

from pixmill.fetch import Refused
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.journal import Journal
from pixmill.scrape.ledger import LEFT_ALONE, Ledger, address_of
from pixmill.scrape.pictures import Picture, Pictures

URL, SMALL = "http://x.test/large", "http://x.test/small"


def candidate(url=URL, **given):
    return Candidate("hat", "hat", 0, url, **given)


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as journal:
        yield journal


@pytest.fixture
def places(tmp_path):
    return [Pictures(tmp_path / "here"), Pictures(tmp_path / "there")]


@pytest.fixture
def ledger(journal, places):
    def ledger(**given):
        return Ledger(journal, places, **{"licences": None, "thumbnails": True} | given)

    return ledger


@pytest.fixture
def keep(journal, places):
    """Remember what came of an address; bytes are a picture, which lies in one of the places."""

    def keep(url, came, place=0):
        if isinstance(came, bytes):
            places[place].add(Picture.of(came), came)
            came = Picture.of(came)
        journal.keep_outcome(address_of("", url), came)
        return came

    return keep


def test_an_original(ledger, keep, picture):
    kept = keep(URL, picture(1))
    sighting = ledger().sighting("bing", "", candidate())
    assert (sighting.source, sighting.picture, sighting.refused, sighting.thumbnail) == ("bing", kept, None, False)


def test_what_was_never_collected_is_a_defect(ledger):
    with pytest.raises(ValueError, match="not collected"):
        ledger().sighting("bing", "", candidate())


def test_an_address_means_what_its_world_makes_of_it(ledger, keep, picture):
    keep(URL, picture(1))
    with pytest.raises(ValueError, match="not collected"):
        ledger().sighting("shop", "another shop", candidate())


def test_a_thumbnail_stands_in_for_what_was_refused(ledger, keep, picture):
    gone, small = keep(URL, Refused("http_404")), keep(SMALL, picture(1))
    sighting = ledger().sighting("bing", "", candidate(thumbnail_url=SMALL))
    assert (sighting.picture, sighting.refused, sighting.thumbnail) == (small, gone, True)
    assert ledger(thumbnails=False).sighting("bing", "", candidate(thumbnail_url=SMALL)).picture is None


@pytest.mark.parametrize("reason", sorted(LEFT_ALONE))
def test_no_copy_is_taken_of_what_its_site_asks_to_leave_alone(ledger, keep, picture, reason):
    asked = keep(URL, Refused(reason))
    keep(SMALL, picture(1))
    shown = candidate(thumbnail_url=SMALL)
    assert ledger().sighting("bing", "", shown).picture is None
    assert ledger().sighting("bing", "", shown).refused == asked
    assert not ledger().wants_thumbnail("", shown)


def test_a_thumbnail_that_was_refused_too(ledger, keep):
    gone = keep(URL, Refused("http_404"))
    keep(SMALL, Refused("http_410"))
    sighting = ledger().sighting("bing", "", candidate(thumbnail_url=SMALL))
    assert (sighting.picture, sighting.refused) == (None, gone)


def test_whose_licence_is_not_wanted_is_refused_whatever_is_known_of_it(ledger, keep, picture):
    keep(URL, picture(1))
    keep(SMALL, picture(2))
    wanting = ledger(licences=("cc0",))
    shown = candidate(thumbnail_url=SMALL, licence="CC BY 4.0")
    sighting = wanting.sighting("openverse", "", shown)
    assert (sighting.picture, sighting.refused) == (None, Refused("licence", "CC BY 4.0"))
    assert not wanting.wants_thumbnail("", shown)
    assert wanting.sighting("bing", "", candidate()).refused.detail == "its source tells none"


@pytest.mark.parametrize(("side", "wanted"), [(100, True), (319, True), (320, False), (1000, False)])
def test_only_a_small_original_is_compared_with_its_thumbnail(ledger, keep, picture, side, wanted):
    keep(URL, picture(1, side=side))
    for thumbnails in (True, False):
        assert ledger(thumbnails=thumbnails).wants_thumbnail("", candidate(thumbnail_url=SMALL)) == wanted
    assert not ledger().wants_thumbnail("", candidate())


def test_a_tiny_original_with_a_larger_thumbnail(ledger, keep, picture):
    keep(URL, picture(1, side=8))
    small = keep(SMALL, picture(2, side=9), place=1)
    sighting = ledger().sighting("bing", "", candidate(thumbnail_url=SMALL))
    assert (sighting.refused.reason, sighting.picture) == ("smaller_than_thumbnail", small)
    assert ledger(thumbnails=False).sighting("bing", "", candidate(thumbnail_url=SMALL)).picture is None


@pytest.mark.parametrize("broken", [URL, SMALL])
def test_an_original_is_taken_where_one_of_the_two_cannot_be_measured(ledger, keep, picture, broken):
    kept = {url: keep(url, picture(1, "JPEG")[: 20 if url == broken else None]) for url in (URL, SMALL)}
    assert ledger().sighting("bing", "", candidate(thumbnail_url=SMALL)).picture == kept[URL]


@pytest.mark.parametrize("side", [100, 1000])
def test_a_thumbnail_stands_in_for_what_is_not_as_promised(ledger, keep, picture, side):
    kept, small = keep(URL, picture(1, side=side)), keep(SMALL, picture(2))
    shown = candidate(thumbnail_url=SMALL, bytes=kept.size + 1)
    assert ledger().wants_thumbnail("", shown)
    assert not ledger(thumbnails=False).wants_thumbnail("", shown)
    sighting = ledger().sighting("urls", "", shown)
    assert (sighting.refused.reason, sighting.picture) == ("wrong_size", small)


@pytest.mark.parametrize("place", [0, 1])
def test_a_picture_is_settled_while_it_is_at_hand(ledger, keep, places, picture, place):
    kept = keep(URL, picture(1), place=place)
    assert ledger().is_settled(address_of("", URL))
    places[place].path(kept).unlink()
    places[place]._whole.clear()  # as in the next run
    assert not ledger().is_settled(address_of("", URL))


def test_a_refusal_is_settled_for_good_or_for_this_run(ledger, keep, tmp_path):
    keep(URL, Refused("http_404"))
    keep(SMALL, Refused("timeout"))
    assert ledger().is_settled(address_of("", URL))
    assert ledger().is_settled(address_of("", SMALL))
    with Journal(tmp_path / "journal.jsonl") as later:
        next_run = Ledger(later, [], licences=None, thumbnails=True)
        assert next_run.is_settled(address_of("", URL))
        assert not next_run.is_settled(address_of("", SMALL))
    assert not ledger().is_settled("never tried")


@pytest.mark.parametrize(
    ("reason", "exceptions", "settled"),
    [
        ("private_address", [], False),
        ("opted_out", [], False),
        ("robots", [], True),
        ("robots", ["y.test"], True),
        ("robots", ["X.test"], False),
        ("crawl_delay", ["x.test"], False),
        ("http_404", ["x.test"], True),
    ],
)
def test_what_params_forbade_is_tried_when_they_no_longer_do(ledger, keep, tmp_path, reason, exceptions, settled):
    keep(URL, Refused(reason))
    assert ledger(robots_exceptions=exceptions).is_settled(address_of("", URL))  # not twice in one run
    with Journal(tmp_path / "journal.jsonl") as later:
        next_run = Ledger(later, [], licences=None, thumbnails=True, robots_exceptions=exceptions)
        assert next_run.is_settled(address_of("", URL)) is settled


def test_what_is_promised_of_an_address_is_part_of_its_name():
    assert len({address_of("", "u"), address_of("w", "u"), address_of("", "u", "m"), address_of("", "mu")}) == 4
