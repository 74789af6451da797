"""Fetching and storing candidates."""

import asyncio
import hashlib
from types import SimpleNamespace

import pytest
from aiohttp import web as server

from pixmill.core.params import ScrapeParams
from pixmill.fetch import FetchLimits
from pixmill.fetch.fetcher import Fetcher
from pixmill.scrape.candidate import Candidate, Query, StoredImage
from pixmill.scrape.collection.collector import Collector, Judge
from pixmill.scrape.collection.searches import Search
from pixmill.scrape.journal import ImageStore, Journal
from tests.scrape.invented import url_of

FOUND = Search(SimpleNamespace(name="source"), Query("hat", "hat", "u"), "")


def candidate(url, **given):
    return Candidate("hat", "hat", 0, url, **given)


@pytest.fixture
def collect(web, tmp_path):
    """Collect batches concurrently; return the sightings."""

    def collect(*batches, snapshot="2026-11-20", **params):
        params = ScrapeParams(snapshot=snapshot, **params)
        with Journal(tmp_path / "journal", params) as journal:
            settled = []

            async def within():
                async with Fetcher(FetchLimits(attempts=1), network=web.network) as fetcher:
                    collector = Collector(fetcher, journal, Judge(journal, params))
                    await asyncio.gather(
                        *(collector.collect(FOUND, batch, settled.append) for batch in batches)
                    )

            asyncio.run(within())
            return settled

    return collect


def reasons(sightings):
    return [sighting.refused.reason if sighting.refused else "" for sighting in sightings]


def test_fetches_a_shared_url_once(hats, web, collect):
    found = collect(*([candidate(url) for url in hats] for _ in range(5)))
    assert len(found) == 50
    assert sorted(web.fetched()) == hats


def test_data_uris_need_no_request(web, collect):
    (found,) = collect([candidate("data:image/gif;base64,R0lGODlhAQABAAAAACw=")])
    assert found.image.format == "gif"
    assert web.fetched() == []


def test_checks_expected_md5_and_size(web, collect, image):
    (url,) = web.show(image(1))
    right = hashlib.md5(image(1)).hexdigest()
    size = len(image(1))
    shown = [
        candidate(url, md5=right, bytes=size),
        candidate(url, md5="0" * 32),
        candidate(url, bytes=size + 1),
        candidate(url),
    ]
    found = {sighting.candidate: sighting for sighting in collect(shown)}
    assert reasons(found[each] for each in shown) == ["", "wrong_md5", "wrong_size", ""]
    assert found[shown[2]].refused.detail == f"{size} bytes, expected {size + 1}"


def test_fetches_thumbnails_of_refused_originals(web, collect, image):
    gone, page, small = web.show(None, b"<!doctype html>", image(1))
    found = collect([candidate(url, thumbnail_url=small) for url in (gone, page, None)])
    assert sorted(reasons(found)) == ["html", "http_404", "no_address"]
    assert all(
        sighting.thumbnail and sighting.image == StoredImage.of(image(1)) for sighting in found
    )


def test_fetches_no_thumbnail_of_a_fetched_original(web, collect, image):
    original, small = web.show(image(1, side=400), image(2))
    (found,) = collect([candidate(original, thumbnail_url=small)])
    assert not found.thumbnail
    assert web.fetched() == [original]


def test_fetches_nothing_with_an_unwanted_licence(hats, web, collect):
    shown = [
        candidate(hats[0], licence="CC BY-NC 4.0", thumbnail_url=hats[1]),
        candidate(hats[2]),
        candidate(hats[3], licence="https://creativecommons.org/licenses/by/2.0/"),
    ]
    found = collect(shown, licences=("by", "cc0"))
    assert sorted(reasons(found)) == ["", "licence", "licence"]
    assert web.fetched() == [hats[3]]


@pytest.fixture
def versions(web, image):
    """An image with ETags; a request with the current one gets status 304."""
    shown = {"version": '"1"', "content": image(1)}

    async def answer(request):
        if request.headers.get("If-None-Match") == shown["version"]:
            shown["unchanged"] = shown.get("unchanged", 0) + 1
            return server.Response(status=304)
        return server.Response(body=shown["content"], headers={"ETag": shown["version"]})

    web.answers["/versions"] = answer
    return shown


def test_a_later_snapshot_sends_conditional_requests(versions, collect):
    shown = [candidate(url_of("versions"))]
    first = collect(shown)
    for count, snapshot in enumerate(("2026-11-21", "2026-11-22"), start=1):
        assert collect(shown, snapshot=snapshot) == first
        assert versions["unchanged"] == count


def test_fetches_changed_images(versions, collect, image):
    shown = [candidate(url_of("versions"))]
    collect(shown)
    versions |= {"version": '"2"', "content": image(2)}
    (sighting,) = collect(shown, snapshot="2026-11-21")
    assert sighting.image == StoredImage.of(image(2))
    assert "unchanged" not in versions


def test_raises_disk_errors(hats, collect, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ImageStore, "add", full)
    with pytest.raises(OSError, match="No space left"):
        collect([candidate(url) for url in hats])


def test_neither_stores_nor_fetches_excluded_images_again(web, collect, image, tmp_path):
    (url,) = web.show(image(1))
    name = StoredImage.of(image(1)).id[:16]
    for _ in range(2):
        assert reasons(collect([candidate(url)], exclude_ids=(name,))) == ["forgotten"]
    assert web.fetched() == [url]
    assert not list((tmp_path / "journal").glob("pictures/*/*"))
