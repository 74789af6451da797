"""Outcomes of candidates, decided from the journal and the files."""

from types import SimpleNamespace

import pytest

from pixmill.core.params import ScrapeParams
from pixmill.fetch import Refused
from pixmill.scrape.candidate import Candidate, Query, StoredImage
from pixmill.scrape.collection.collector import LEFT_ALONE, Judge, accept, address_of
from pixmill.scrape.collection.searches import Search
from pixmill.scrape.journal import Journal

URL = "http://x.test/large"
SMALL = "http://x.test/small"


def candidate(url=URL, **given):
    return Candidate("hat", "hat", 0, url, **given)


def found_by(name="bing", fingerprint=""):
    return Search(SimpleNamespace(name=name), Query("hat", "hat", "u"), fingerprint)


PARAMS = {"snapshot": "2026-11-20"}


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path, ScrapeParams(**PARAMS)) as journal:
        yield journal


@pytest.fixture
def judge(journal):
    return lambda **params: Judge(journal, ScrapeParams(**PARAMS, **params))


@pytest.fixture
def later(journal, tmp_path):
    """A judge of a later run."""
    with Journal(tmp_path, ScrapeParams(**PARAMS)) as journal:
        yield lambda **params: Judge(journal, ScrapeParams(**PARAMS, **params))


@pytest.fixture
def keep(journal):
    """Store the outcome of a URL; bytes are stored as an image."""

    def keep(url, outcome):
        if isinstance(outcome, bytes):
            journal.images.add(StoredImage.of(outcome), outcome)
            outcome = StoredImage.of(outcome)
        journal.save_outcome(address_of("", url), outcome)
        return outcome

    return keep


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<!doctype html><p>Not found", "html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "svg"),
        (b"PK\x03\x04...", "archive"),
        (b"%PDF-1.7", "pdf"),
        (b"GIF? No.", "unknown"),
        (b"8BPS\0\1", "psd"),
    ],
)
def test_refuses_other_content(content, reason):
    assert accept(content).reason == reason


def test_names_unsupported_formats():
    assert accept(b"\xff\x4f\xff\x51").detail == "JPEG 2000, which is not read"


def test_outcomes_depend_on_the_fingerprint(judge, keep, image):
    keep(URL, image(1))
    with pytest.raises(ValueError, match="not collected"):
        judge().sighting(found_by("shop", "another shop"), candidate())


def test_a_thumbnail_replaces_a_refused_original(judge, keep, image):
    gone = keep(URL, Refused("http_404"))
    small = keep(SMALL, image(1))
    sighting = judge().sighting(found_by("bing"), candidate(thumbnail_url=SMALL))
    assert (sighting.image, sighting.refused, sighting.thumbnail) == (small, gone, True)
    assert (
        judge(thumbnails=False).sighting(found_by("bing"), candidate(thumbnail_url=SMALL)).image
        is None
    )


@pytest.mark.parametrize("reason", sorted(LEFT_ALONE))
def test_no_thumbnail_of_an_excluded_image(judge, keep, image, reason):
    asked = keep(URL, Refused(reason))
    keep(SMALL, image(1))
    shown = candidate(thumbnail_url=SMALL)
    assert judge().sighting(found_by("bing"), shown).image is None
    assert judge().sighting(found_by("bing"), shown).refused == asked
    assert not judge().needs_thumbnail(found_by(), shown)


def test_a_refused_thumbnail(judge, keep):
    gone = keep(URL, Refused("http_404"))
    keep(SMALL, Refused("http_410"))
    sighting = judge().sighting(found_by("bing"), candidate(thumbnail_url=SMALL))
    assert (sighting.image, sighting.refused) == (None, gone)


@pytest.mark.parametrize(
    ("side", "stated", "is_thumbnail"),
    [(155, None, True), (319, None, True), (320, None, False), (400, 900, True), (400, 400, False)],
)
def test_detects_thumbnails_on_results_pages(judge, keep, image, side, stated, is_thumbnail):
    kept = keep(URL, image(1, side=side))
    shown = candidate(thumbnail_url=URL, width=stated, route="attribute")
    sighting = judge().sighting(found_by("site:shop"), shown)
    assert (sighting.image, sighting.thumbnail) == (kept, is_thumbnail)
    unwanted = judge(thumbnails=False).sighting(found_by("site:shop"), shown)
    assert (unwanted.image is None) == is_thumbnail
    assert not judge().sighting(found_by("site:shop"), candidate(width=stated)).thumbnail
    # Without a page that may show a larger one, only what lazy loading replaces is a thumbnail.
    tiny = keep(SMALL, image(2, side=20))
    unlinked = candidate(SMALL, route="attribute")
    assert judge().sighting(found_by("site:shop"), unlinked).image == tiny
    assert judge().sighting(found_by("site:shop"), unlinked).thumbnail
    assert not judge().sighting(found_by("shop"), unlinked).thumbnail
    # In a search engine's JSON, a small original may be its own thumbnail.
    assert (
        not judge()
        .sighting(found_by("bing"), candidate(thumbnail_url=URL, width=stated, route="json"))
        .thumbnail
    )


def test_a_missing_file_is_not_settled(judge, keep, later, journal, image):
    kept = keep(URL, image(1))
    assert judge().is_settled(address_of("", URL))
    journal.images.path(kept).unlink()
    assert not later().is_settled(address_of("", URL))


def test_a_transient_refusal_is_settled_for_this_run_only(judge, keep, later):
    keep(URL, Refused("http_404"))
    keep(SMALL, Refused("timeout"))
    for url, settled_later in ((URL, True), (SMALL, False)):
        assert judge().is_settled(address_of("", url))
        assert later().is_settled(address_of("", url)) is settled_later
    assert not judge().is_settled("never tried")


@pytest.mark.parametrize(
    ("reason", "exceptions", "settled"),
    [
        ("private_address", [], False),
        ("opted_out", [], False),
        ("robots", [], True),
        ("robots", ["y.test"], True),
        ("robots", ["x.test"], False),
        ("crawl_delay", ["x.test"], False),
        ("http_404", ["x.test"], True),
    ],
)
def test_a_refusal_by_params_is_tried_again_once_they_change(
    judge, keep, later, reason, exceptions, settled
):
    keep(URL, Refused(reason))
    assert judge(robots_exceptions=exceptions).is_settled(
        address_of("", URL)
    )  # not twice in one run
    assert later(robots_exceptions=exceptions).is_settled(address_of("", URL)) is settled


@pytest.mark.parametrize(
    ("params", "facts", "reason"),
    [
        ({"exclude_authors": ("Jane Doe",)}, {"author": "Jane Doe"}, "author"),
        ({"exclude_authors": ("Jane Doe",)}, {"author": "Jane"}, None),
        ({"opt_out": ("museum.test",)}, {"page_url": "https://www.museum.test/1"}, "opted_out"),
        ({"opt_out": ("x.test",)}, {}, "opted_out"),
        ({"opt_out": ("museum.test",)}, {"page_url": "https://mymuseum.test/1"}, None),
    ],
)
def test_excludes_authors_and_hosts_of_collected_images(judge, keep, image, params, facts, reason):
    keep(URL, image(1))
    keep(SMALL, image(2))
    sighting = judge(**params).sighting(
        found_by("openverse"), candidate(thumbnail_url=SMALL, **facts)
    )
    assert (sighting.refused and sighting.refused.reason, sighting.image is None) == (
        reason,
        reason is not None,
    )


def test_excludes_ids(judge, keep, image):
    kept = keep(URL, image(1))
    small = keep(SMALL, image(2))
    shown = candidate(thumbnail_url=SMALL)
    excluding = judge(exclude_ids=(kept.id[:16],))
    sighting = excluding.sighting(found_by("bing"), shown)
    assert (sighting.image, sighting.refused.reason) == (None, "forgotten")
    assert not excluding.needs_thumbnail(found_by(), shown)
    keep(URL, Refused("http_404"))
    assert judge(exclude_ids=(small.id[:16],)).sighting(found_by("bing"), shown).image is None
