from types import SimpleNamespace

import pytest

from pixmill.fetch import Fetched
from pixmill.scrape.licences import parse_licence
from pixmill.scrape.sources.search_api import OpenverseSource
from pixmill.scrape.sources.source import SearchError
from tests.scrape.replicas.apis import OpenverseApi, licence_of
from tests.scrape.replicas.world import World
from tests.scrape.sources.api_access import ApiAccess


@pytest.fixture(scope="module")
def world():
    with World(OpenverseApi(total=300)) as world:
        yield world


@pytest.fixture
def access(world):
    world.switch("openverse")
    world.log.clear()
    with ApiAccess(world.network) as access:
        yield access


def search(access, source=None, words="red hat"):
    source = source or OpenverseSource()
    (query,) = source.queries("hat", [words])
    return source.search(query, access)


def failure(candidates):
    with pytest.raises(SearchError) as caught:
        list(candidates)
    return caught.value


def test_reads_all_visible_pages(world, access):
    candidates = list(search(access))
    truth = world.results("openverse", "red hat")[:240]
    assert [candidate.image_url for candidate in candidates] == [
        result.original_url for result in truth
    ]
    assert [candidate.rank for candidate in candidates] == list(range(240))
    assert len(world.log.visits("api.openverse.org", "/v1/")) == 12


def test_reads_the_fields_of_a_result(world, access):
    first = next(iter(search(access)))
    truth = world.results("openverse", "red hat")[0]
    assert (first.label, first.query, first.route) == ("hat", "red hat", "json")
    assert (first.title, first.page_url, first.thumbnail_url) == (
        truth.title,
        truth.page_url,
        truth.thumbnail_url,
    )
    assert (first.width, first.height) == (truth.width, truth.height)
    assert (first.licence, first.author) == (
        licence_of(truth)[2],
        f"Author of {truth.image.number}",
    )
    assert first.bytes is None


def test_requests_pages_lazily(world, access):
    candidates = search(access)
    assert world.log.visits() == []
    for _ in range(20):
        next(candidates)
    assert len(world.log.visits("api.openverse.org", "/v1/")) == 1


def test_searches_for_wanted_licences(access):
    candidates = list(search(access, OpenverseSource(["cc0", "by"])))
    assert {parse_licence(candidate.licence).family for candidate in candidates} == {"by", "cc0"}
    assert len(candidates) > 50


def test_ends_at_the_depth_limit(world, access):
    world.switch("openverse", "boasts")
    assert len(list(search(access))) == 240
    assert [visit.status for visit in world.log.visits("api.openverse.org", "/v1/")] == [
        200
    ] * 12 + [401]


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("rate_limited", "blocked"),
        ("forbidden403", "blocked"),
        ("locked", "blocked"),
        ("renamed_key", "layout_changed"),
        ("captcha", "layout_changed"),
        ("down", "unreachable"),
    ],
)
def test_names_failures(world, access, mode, name):
    world.switch("openverse", mode)
    error = failure(search(access))
    assert error.failure == name
    assert "https://api.openverse.org/v1/images/" in error.message


def test_a_block_keeps_earlier_candidates(world, access):
    world.switch("openverse", "rate_limited", after=2)
    found = []
    with pytest.raises(SearchError, match="page=3"):
        for candidate in search(access):
            found.append(candidate)
    assert len(found) == 40


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b'{"results": 3}', b"[" * 100_000, b'{"results": [1, null]}']
)
def test_odd_responses_are_search_errors(body):
    access = SimpleNamespace(ask=lambda url: Fetched(body, url))
    assert failure(search(access)).failure in {"layout_changed", "no_results"}
