"""The small web that replicas are served on, and what each replica answers, asked by a plain client."""

import asyncio
import io
import re
import socket
import ssl

import aiohttp
import pytest
from PIL import Image

from tests.scrape.replicas.__main__ import SITES
from tests.scrape.replicas.photos import DELIVERED, Photo, Photos
from tests.scrape.replicas.site import Site
from tests.scrape.replicas.visits import Log
from tests.scrape.replicas.world import World, read_network

SEARCHES = {
    "amazon": "https://www.amazon.in/s?k=sarees",
    "bing": "https://www.bing.com/images/search?q=sarees&first=1",
    "duckduckgo": "https://duckduckgo.com/?q=sarees&iar=images&iax=images&ia=images",
    "flipkart": "https://www.flipkart.com/search?q=sarees",
    "google": "https://www.google.com/search?q=sarees&udm=2",
    "myntra": "https://www.myntra.com/sarees?rawQuery=sarees",
    "yahoo": "https://images.search.yahoo.com/search/images?p=sarees",
}
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/156.0.0.0"}


class Plain(Site):
    name = "plain"
    hosts = ("plain.test", "www.plain.test")
    rotting = ("tile",)

    async def answer(self, request):
        return self.html(f'<p class="tile" data-tile="1">{request.url.host} {request.path}</p></body>', request=request)


class Other(Plain):
    name = "other"
    hosts = ("other.test",)


@pytest.fixture
def world():
    with World(Plain(total=600), Other(total=600), overlap=0.3) as world:
        yield world


class Mapped(aiohttp.abc.AbstractResolver):
    """Resolve the names of a network, as the product's own client will."""

    def __init__(self, network):
        self.network = network

    async def resolve(self, host, port=0, family=socket.AF_INET):
        mapped = self.network.served[f"{host}:{port}"]
        return [{"hostname": host, "host": "127.0.0.1", "port": mapped, "family": family, "proto": 0, "flags": 0}]

    async def close(self):
        pass


def get(network, url, *, timeout=60, **options):
    """Return status, headers and body of an address."""

    async def fetch():
        trust = ssl.create_default_context(cafile=network.authority)
        connector = aiohttp.TCPConnector(resolver=Mapped(network), ssl=trust, use_dns_cache=False)
        limit = aiohttp.ClientTimeout(total=timeout)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=limit) as session,
                session.get(url, allow_redirects=False, **options) as answer,
            ):
                return answer.status, answer.headers, await answer.read()
        finally:
            await asyncio.sleep(0.05)  # TLS connections close a little later than their session

    return asyncio.run(fetch())


def text(world, url, **options):
    return get(world.network, url, **options)[2].decode()


def test_each_name_is_answered_by_its_own_site(world):
    assert "www.plain.test /a" in text(world, "https://www.plain.test/a")
    assert "other.test /b" in text(world, "https://other.test/b")


def test_plain_http_is_sent_on_to_tls(world):
    status, headers, _ = get(world.network, "http://plain.test/a?q=1")
    assert (status, headers["Location"]) == (301, "https://plain.test/a?q=1")


def test_every_request_is_on_record(world):
    for _ in range(2):
        text(world, "https://plain.test/a?q=1")
    text(world, "https://other.test/b")
    visit = world.log.visits("plain.test")[0]
    assert (visit.url, visit.method, visit.status) == ("https://plain.test/a?q=1", "GET", 200)
    assert visit.bytes > 0
    assert len(world.log.visits()) == 3


def test_another_process_can_read_the_network(world):
    assert read_network(world.describe()) == world.network


@pytest.mark.parametrize(
    ("mode", "status", "word"),
    [
        ("forbidden403", 403, "permission"),
        ("block_200", 200, "Automated access"),
        ("block_202", 202, "Automated access"),
        ("captcha", 200, "captcha-form"),
        ("sorry429", 429, "captcha-form"),
        ("js_shell", 200, "<noscript>"),
        ("empty", 200, "did not match any documents"),
        ("unknown_layout", 200, "background-image"),
        ("rate_limited", 429, "Too many"),
        ("consent_redirect", 200, "Before you continue"),
    ],
)
def test_a_mode_answers_in_the_sites_place_until_it_is_switched_off(world, mode, status, word):
    world.switch("plain", mode)
    seen, _, body = get(world.network, "https://plain.test/?q=hat")
    assert seen == status
    assert word in body.decode()
    assert get(world.network, "https://other.test/")[0] == 200
    world.switch("plain")
    assert "plain.test /" in text(world, "https://plain.test/")


def test_a_mode_may_come_late_and_pass(world):
    world.switch("plain", "rate_limited", after=1, times=2, retry_after=5)
    answers = [get(world.network, "https://plain.test/") for _ in range(4)]
    assert [status for status, _, _ in answers] == [200, 429, 429, 200]
    assert answers[1][1]["Retry-After"] == "5"


def test_a_mode_may_hold_for_one_host_alone(world):
    world.switch("www.plain.test", "forbidden403")
    assert get(world.network, "https://www.plain.test/")[0] == 403
    assert get(world.network, "https://plain.test/")[0] == 200


def test_a_mode_that_does_not_exist_is_refused(world):
    with pytest.raises(ValueError, match="no mode sorry"):
        world.switch("plain", "sorry")
    with pytest.raises(ValueError, match="no site or host"):
        world.switch("elsewhere", "empty")


def test_rules_for_programs_follow_the_switch(world):
    rules = "https://plain.test/robots.txt"
    assert "Allow: /" in text(world, rules)
    world.switch("plain", "robots_disallow")
    assert "Disallow: /" in text(world, rules)
    world.switch("plain", "robots_5xx")
    assert get(world.network, rules)[0] == 503


def test_a_site_that_is_down_closes_the_connection(world):
    world.switch("plain", "down")
    with pytest.raises(aiohttp.ClientError):
        get(world.network, "https://plain.test/")


@pytest.mark.parametrize("drip", [False, True])
def test_a_page_that_never_loads_keeps_its_visitor_waiting(world, drip):
    world.switch("plain", "never_loads", drip=drip)
    with pytest.raises(TimeoutError):
        get(world.network, "https://plain.test/", timeout=1.5)


def test_names_are_changed_where_they_stand_alone(world):
    world.switch("plain", "renamed", seed=3)
    page = text(world, "https://plain.test/")
    assert 'class="tile"' not in page
    assert 'data-tile="1"' in page


def test_mischief_comes_with_the_page(world):
    world.switch("plain", "hang_script", "alerts")
    assert '"modes": ["alerts", "hang_script"]' in text(world, "https://plain.test/")


def test_sites_share_a_known_part_of_their_results(world):
    ours, theirs = ({result.original_url for result in world.results(name, "hat")} for name in ("plain", "other"))
    assert len(ours) == len(theirs) == 600
    assert len(ours & theirs) == 180


def test_originals_come_as_their_faults_say(world):
    images = world.images
    faults = {images.fault(image): image for image in (Photo("hat", n) for n in range(1500))}
    assert len(faults) == 12
    for fault, image in faults.items():
        url = images.original(image)
        if fault in ("dead", "truncated"):
            with pytest.raises(aiohttp.ClientError):
                get(world.network, url)
            continue
        status, headers, body = get(world.network, url)
        while status == 302:
            status, headers, body = get(world.network, headers["Location"])
        whole = status == 200 and body == images.original_bytes(image)
        assert whole == (fault in DELIVERED or fault == "noai"), fault
        assert ("noai" in headers.get("X-Robots-Tag", "")) == (fault == "noai")


def test_thumbnails_are_smaller_images_under_the_engines_names(world):
    image = Photo("red hat", 5)
    for url in (
        f"https://encrypted-tbn2.gstatic.com/images?q=tbn:ANd9Gc{image.token}&s",
        f"https://tse1.mm.bing.net/th?id=OIP.{image.token}&w=240",
    ):
        thumbnail = Image.open(io.BytesIO(get(world.network, url)[2]))
        assert 100 <= max(thumbnail.size) < max(world.images.size(image))


def test_images_depend_on_the_seed_alone():
    image = Photo("hat", 3)
    assert Photos(1).original_bytes(image) == Photos(1).original_bytes(image)
    assert Photos(1).original_bytes(image) != Photos(2).original_bytes(image)


def test_a_token_names_its_image():
    assert Photo.of(Photo("röd hatt", 12).token) == Photo("röd hatt", 12)
    assert Photo.of("no token") is None


def test_a_killed_world_goes_on_in_its_place(start, tmp_path):
    script = "from tests.scrape.replicas.__main__ import main; main()"
    killed, first = start(script, "--site", "bing", "--folder", str(tmp_path))
    url = "https://www.bing.com/robots.txt"
    assert get(read_network(first), url)[0] == 200
    killed.kill()
    killed.wait()
    _, second = start(script, "--site", "bing", "--folder", str(tmp_path))
    assert second == first
    assert get(read_network(first), url)[0] == 200
    assert [visit.url for visit in Log(tmp_path / "visits.jsonl").visits()] == [url, url]


def test_the_world_ends_with_its_block():
    with World(Plain()) as world:
        folder = world.authority.pem.parent
    assert not folder.exists()


@pytest.fixture(scope="module")
def all_sites():
    with World(*(site() for site in SITES.values())) as world:
        yield world


@pytest.fixture
def sites(all_sites):
    yield all_sites
    for name in SITES:
        all_sites.switch(name)


def search(world, name):
    """Return the status and the text of a site's first page of results, as a browser gets it."""
    status, _, body = get(world.network, SEARCHES[name], headers=BROWSER)
    return status, body.decode()


@pytest.mark.parametrize("name", [name for name in SEARCHES if name != "duckduckgo"])
def test_a_first_page_has_the_first_results(sites, name):
    status, page = search(sites, name)
    assert status == 200
    assert sum(result.key in page for result in sites.results(name, "sarees")[:20]) > 17  # some of Bing's are broken


@pytest.mark.parametrize(
    ("name", "mode", "status", "words"),
    [
        ("amazon", "captcha", 200, "Type the characters you see"),
        ("amazon", "block_200", 200, "Click the button below"),
        ("amazon", "robot_check", 200, "Type the characters you see"),
        ("amazon", "empty", 200, "No results for"),
        ("amazon", "consent_overlay", 200, "sp-cc-rejectall-link"),
        ("amazon", "list_layout", 200, "_AC_UY218_"),
        ("bing", "captcha", 200, "verify you are a human"),
        ("bing", "empty", 200, "There are no results for"),
        ("bing", "consent_redirect", 200, "Before you continue"),
        ("bing", "consent_overlay", 200, "bnp_btn_reject"),
        ("duckduckgo", "block_202", 202, 'data-testid="anomaly-modal"'),
        ("duckduckgo", "captcha", 200, 'id="challenge-form"'),
        ("flipkart", "empty", 200, "no results found"),
        ("google", "captcha", 200, "detected unusual traffic"),
        ("google", "sorry429", 302, ""),
        ("google", "block_200", 200, "has moved"),
        ("google", "js_shell", 200, "/httpservice/retry/enablejs"),
        ("google", "empty", 200, "did not match any documents"),
        ("google", "consent_redirect", 302, ""),
        ("google", "consent_overlay", 200, "W0wltc"),
        ("myntra", "empty", 200, "any matches"),
        ("yahoo", "empty", 200, "did not find results for"),
        ("yahoo", "consent_redirect", 302, ""),
    ],
)
def test_a_site_words_what_goes_wrong_as_its_model_does(sites, name, mode, status, words):
    sites.switch(name, mode, every=1)
    seen, page = search(sites, name)
    assert seen == status
    assert words in page


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("amazon", "s-access-image", 'data-asin|"s-search-result"|s-result-item|class="s-image"'),
        ("bing", "imgurl", "iusc"),
        ("duckduckgo", "pic-cell", "vqd|zci-images|tile|figure"),
        ("flipkart", "product-unit", "data-id|<img|/p/itm"),
        ("google", "islrg", "data-docid"),
        ("myntra", "mk-prod", "product-base|myntassets"),
        ("yahoo", "yschimg", "sres|imgurl|<li"),
    ],
)
def test_last_years_layout_has_none_of_todays_hooks(sites, name, old, new):
    assert re.search(new, search(sites, name)[1])
    sites.switch(name, "last_years_layout")
    _, page = search(sites, name)
    assert old in page
    assert not re.search(new, page)


@pytest.mark.parametrize("name", ["amazon", "flipkart", "myntra"])
def test_an_original_of_a_shop_is_as_large_as_promised_or_gone(sites, name):
    results = sites.results(name, "jeans")
    for result in [*results[:20], next(result for result in results if not result.deliverable)]:
        status, _, body = get(sites.network, result.original_url)
        thumbnail = Image.open(io.BytesIO(get(sites.network, result.thumbnail_url)[2]))
        assert status == (200 if result.deliverable else 404)
        if result.deliverable:
            assert Image.open(io.BytesIO(body)).size == (result.width, result.height)
            assert max(thumbnail.size) <= max(result.width, result.height)


def test_duckduckgos_json_needs_the_token_of_its_page(sites):
    api = "https://duckduckgo.com/i.js?o=json&q=sarees&l=us-en&p=1&s=0&f=,,,,,"
    token = re.search(r'vqd="([\d-]+)"', search(sites, "duckduckgo")[1])[1]
    from_page = BROWSER | {"Referer": SEARCHES["duckduckgo"]}
    status, _, body = get(sites.network, f"{api}&vqd={token}", headers=from_page)
    assert (status, body.count(b'"image":')) == (200, 100)
    for address, headers in ((f"{api}&vqd={token}0", from_page), (f"{api}&vqd={token}", BROWSER)):
        assert get(sites.network, address, headers=headers)[0] == 403
