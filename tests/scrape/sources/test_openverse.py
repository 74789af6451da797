from types import SimpleNamespace

import pytest

from pixmill.scrape.licences import parse_licence
from pixmill.scrape.sources.failure import SearchError
from pixmill.scrape.sources.openverse import OpenverseSource
from pixmill.web.fetch import Fetched
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


def test_all_pages_that_may_be_seen_are_read(world, access):
    candidates = list(search(access))
    truth = world.results("openverse", "red hat")[:240]
    assert [candidate.image_url for candidate in candidates] == [result.original_url for result in truth]
    assert [candidate.rank for candidate in candidates] == list(range(240))
    assert len(world.log.visits("api.openverse.org", "/v1/")) == 12


def test_what_a_result_says_is_kept(world, access):
    first, truth = next(iter(search(access))), world.results("openverse", "red hat")[0]
    assert (first.label, first.query, first.route) == ("hat", "red hat", "json")
    assert (first.title, first.page_url, first.thumbnail_url) == (truth.title, truth.page_url, truth.thumbnail_url)
    assert (first.width, first.height) == (truth.width, truth.height)
    assert (first.licence, first.author) == (licence_of(truth)[2], f"Author of {truth.image.number}")
    assert first.bytes is None


def test_a_result_that_says_little_is_taken(world, access):
    world.switch("openverse", "bare")
    first, truth = next(iter(search(access))), world.results("openverse", "red hat")[0]
    assert first.image_url == truth.original_url
    assert (first.title, first.author, first.width, first.thumbnail_url) == (None, None, None, None)
    assert parse_licence(first.licence).family == licence_of(truth)[0]


def test_pages_are_asked_for_no_sooner_than_their_results(world, access):
    candidates = search(access)
    assert world.log.visits() == []
    for _ in range(20):
        next(candidates)
    assert len(world.log.visits("api.openverse.org", "/v1/")) == 1


def test_only_the_licences_that_are_wanted_are_asked_for(access):
    candidates = list(search(access, OpenverseSource(["cc0", "by"])))
    assert {parse_licence(candidate.licence).family for candidate in candidates} == {"by", "cc0"}
    assert len(candidates) > 50


def test_a_depth_that_is_refused_ends_the_search_well(world, access):
    world.switch("openverse", "boasts")
    assert len(list(search(access))) == 240
    assert [visit.status for visit in world.log.visits("api.openverse.org", "/v1/")] == [200] * 12 + [401]


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
def test_what_goes_wrong_is_named(world, access, mode, name):
    world.switch("openverse", mode)
    error = failure(search(access))
    assert error.failure == name
    assert "https://api.openverse.org/v1/images/" in error.message


def test_what_came_before_a_block_holds(world, access):
    world.switch("openverse", "rate_limited", after=2)
    found = []
    with pytest.raises(SearchError, match="page=3"):
        for candidate in search(access):
            found.append(candidate)
    assert len(found) == 40


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"results": 3}', b"[" * 100_000, b'{"results": [1, null]}'])
def test_no_answer_is_too_odd(body):
    access = SimpleNamespace(ask=lambda url: Fetched(body, url))
    assert failure(search(access)).failure in {"layout_changed", "no_results"}
