import time

import pytest

from pixmill.scrape.licences import parse_licence
from pixmill.scrape.sources.search_api import WikimediaSource, plain_text
from pixmill.scrape.sources.source import SearchError
from tests.scrape.replicas.apis import CommonsApi, licence_of
from tests.scrape.replicas.world import World
from tests.scrape.sources.api_access import ApiAccess


@pytest.fixture(scope="module")
def world():
    with World(CommonsApi(total=130)) as world:
        yield world


@pytest.fixture
def access(world):
    world.switch("wikimedia")
    world.log.clear()
    with ApiAccess(world.network) as access:
        yield access


@pytest.fixture
def images(world):
    """Results of Commons without drawings and lost files."""
    site = CommonsApi()
    return [result for result in world.results("wikimedia", "red hat") if site.is_image(result)]


def search(access):
    source = WikimediaSource(pause=0.01)
    (query,) = source.queries("hat", ["red hat"])
    return source.search(query, access)


def failure(candidates):
    with pytest.raises(SearchError) as caught:
        list(candidates)
    return caught.value


def test_yields_images_in_order(access, images):
    candidates = list(search(access))
    assert [candidate.image_url for candidate in candidates] == [
        result.original_url for result in images
    ]
    assert [candidate.rank for candidate in candidates] == list(range(len(images)))


def test_reads_the_fields_of_commons(world, access, images):
    for found, truth in zip(search(access), images, strict=True):
        assert (found.label, found.query, found.route) == ("hat", "red hat", "json")
        assert (found.title, found.page_url) == (truth.title, truth.page_url)
        assert (found.thumbnail_url, found.width, found.height) == (
            truth.thumbnail_url,
            truth.width,
            truth.height,
        )
        assert found.author == f"A & B {truth.image.number}"
        code, _, url = licence_of(truth)
        assert found.licence == ("Public domain" if code == "pdm" else url)
        assert found.bytes == world.images.size(truth.image)[0] * 100


def test_a_small_original_has_no_thumbnail():
    """MediaWiki never enlarges images: a small original is its own thumbnail."""
    url = "https://upload.wikimedia.org/x.jpg"
    fields = WikimediaSource().fields(
        {"imageinfo": [{"url": url, "thumburl": url, "width": 300, "height": 200}]}
    )
    assert (fields["image_url"], fields["thumbnail_url"]) == (url, None)


@pytest.mark.parametrize(
    "value",
    [
        "https://creativecommons.org/licenses/by-sa/4.0/",
        "//creativecommons.org/licenses/by-sa/4.0/",
        (
            '<a rel="nofollow" class="external free" '
            'href="https://creativecommons.org/licenses/by-sa/4.0/">https://x</a>'
        ),
        "<A class='external' HREF='https://creativecommons.org/licenses/by-sa/4.0'>CC</A>",
        "<span>https://creativecommons.org/licenses/by-sa/4.0/</span>",
    ],
)
def test_reads_licence_urls_and_links(value):
    metadata = {"LicenseUrl": {"value": value}, "LicenseShortName": {"value": "own words"}}
    fields = WikimediaSource().fields(
        {"imageinfo": [{"url": "https://x.test/x.jpg", "extmetadata": metadata}]}
    )
    assert str(parse_licence(fields["licence"])) == "CC BY-SA 4.0"


@pytest.mark.parametrize("mode", ["maxlag", "ratelimited"])
def test_retries_transient_errors(world, access, images, mode):
    world.switch("wikimedia", mode, after=1, times=2)
    assert len(list(search(access))) == len(images)


@pytest.mark.parametrize("mode", ["maxlag", "ratelimited"])
def test_retries_are_limited(world, access, mode):
    world.switch("wikimedia", mode)
    error = failure(search(access))
    assert error.failure == "blocked"
    assert mode in error.message
    assert len(world.log.visits("commons.wikimedia.org", "/w/")) == 3


@pytest.mark.parametrize(
    ("mode", "name", "words"),
    [
        ("broken", "stalled", "cirrussearch-backend-error"),
        pytest.param("circular", "endless", "1000 responses", marks=pytest.mark.slow),
        ("forbidden403", "blocked", "scrape.contact"),
        ("rate_limited", "blocked", "http_429"),
        ("js_shell", "layout_changed", "JSON"),
        ("down", "unreachable", "connection"),
    ],
)
def test_names_failures(world, access, mode, name, words):
    world.switch("wikimedia", mode)
    error = failure(search(access))
    assert error.failure == name
    assert words in f"{error.message}; {error.advice}"


@pytest.mark.parametrize(
    ("html", "words"),
    [
        (None, None),
        ("<p></p>", None),
        ("Ann &amp; <b>Bob</b>", "Ann & Bob"),
        ("one<br>two<style>p {color: red}</style>", "one two"),
        ('<a href="//x.test">Ann</a>\n\n  (talk)', "Ann (talk)"),
        ("a <b", "a <b"),
    ],
)
def test_plain_text(html, words):
    assert plain_text(html) == words


@pytest.mark.parametrize("shape", ["<a b=", "<!--", "<a '"])
def test_plain_text_is_fast(shape):
    began = time.process_time()
    plain_text(shape * 100_000)
    assert time.process_time() - began < 5
